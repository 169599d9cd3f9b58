"""Links: addresses that open one blob, in one way, for some minutes, to whoever has them.

    https://<account>.blob.core.windows.net/outputs/<run>/film.mp4?sp=r&se=...&sig=...

Who asks the API needs no key to storage then, and the bytes do not pass through the Function app. A link is a key: it
does not belong into a log.
"""

from typing import Protocol
from urllib.parse import quote

from dropscore.contracts.layout import BlobPath

BLOCK_BLOB = {"x-ms-blob-type": "BlockBlob"}
"""What storage wants to be told by whoever writes a whole blob."""


class BlobLinks(Protocol):
    """Makes links. `until` is UTC, ISO 8601; a part of a second is dropped. Nothing is asked whether the blob exists.

    Raises `TransientCloudError` and `PermanentCloudError` where a service has to be asked for the right to make links.
    """

    def to_read(self, path: BlobPath, *, until: str, media_type: str | None = None) -> str:
        """A link that reads a blob. A browser that follows it saves the blob as a file of its own name, of the kind
        `media_type` if given, and does not show it as a page of the storage account.
        """

    def to_write(self, path: BlobPath, *, until: str) -> str:
        """A link that writes a blob, whole or in blocks, and may replace what it has written; it does not read it."""


def file_disposition(path: BlobPath) -> str:
    """The header `Content-Disposition` that has a blob saved under the last part of its name (RFC 6266)."""
    name = path.name.rsplit("/", 1)[-1]
    plain = "".join(character if " " <= character <= "~" and character not in '"\\%' else "_" for character in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
