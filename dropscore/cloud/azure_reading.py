"""Reads a blob, or a range of one, whole or not at all."""

from typing import Any

from azure.core.exceptions import IncompleteReadError
from azure.storage.blob import BlobClient

SIDE_BY_SIDE = 4
READINGS = 3


def read_whole(
    client: BlobClient, offset: int | None = None, length: int | None = None, **conditions: Any
) -> tuple[bytes, str]:
    """The bytes of a blob, or `length` of them from `offset` (fewer at its end), and its ETag.

    A body whose connection broke is read again by Azure's client. One that ended early without a word is found by
    its length, which the service tells beside it. Raises azure-core's exceptions.
    """
    for _ in range(READINGS):
        stream = client.download_blob(offset, length, max_concurrency=SIDE_BY_SIDE, **conditions)
        data: bytes = stream.readall()
        if len(data) == stream.size:
            return data, stream.properties.etag or ""
    raise IncompleteReadError(f"{len(data)} of {stream.size} bytes came, {READINGS} times")
