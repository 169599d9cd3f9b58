"""Upload inputs over links that the API hands out, a batch of them at a time."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from dropscore.cli.links import write_link
from dropscore.cli.session import Session
from dropscore.cli.sources import Upload
from dropscore.cli.transfer import Advance, side_by_side
from dropscore.contracts.http.files import UploadLink, UploadLinks

MOST_FILES: Final = 1000
MOST_NAME_BYTES: Final = 128 * 1024
"""Of the names in one request, as JSON: with all around them it stays below what a request may have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploaded:
    """Where uploaded files have come to lie: each batch under a prefix of its own."""

    batches: tuple[UploadLinks, ...]

    def inputs(self, name: str) -> tuple[str, ...]:
        """What a request names for an uploaded file, or for a folder (`name/`): one prefix for each batch with files
        of it, in their order.
        """
        found = [(batch, file) for batch in self.batches for file in batch.files if file.name.startswith(name)]
        if not name.endswith("/"):
            return tuple(file.input for _, file in found if file.name == name)
        return tuple(dict.fromkeys(batch.prefix + name for batch, _ in found))


def upload_all(session: Session, uploads: Sequence[Upload]) -> Uploaded:
    """Upload files. Raises `FailedError` when the API refuses a name, and what `links.write_link` raises."""
    return Uploaded(batches=tuple(_upload(session, batch) for batch in in_batches(uploads)))


def in_batches(uploads: Sequence[Upload]) -> Iterator[Sequence[Upload]]:
    """Files in their order, as many at a time as one request for links may name."""
    batch: list[Upload] = []
    held = 0
    for upload in uploads:
        size = len(json.dumps(upload.name))
        if batch and (len(batch) == MOST_FILES or held + size > MOST_NAME_BYTES):
            yield batch
            batch, held = [], 0
        batch.append(upload)
        held += size
    if batch:
        yield batch


def _upload(session: Session, batch: Sequence[Upload]) -> UploadLinks:
    answer = session.api().uploads([upload.name for upload in batch])
    links: Mapping[str, UploadLink] = {link.name: link for link in answer.files}

    def send(upload: Upload, advance: Advance) -> None:
        link = links[upload.name]
        write_link(repr(str(upload.file)), link.url, link.headers, upload.file, upload.size_bytes, advance)

    side_by_side(session.screen, "Uploading", [(upload, upload.size_bytes) for upload in batch], send)
    return answer
