"""Bytes over links: read one and go on where the connection broke, write one whole or in blocks.

The addresses are keys, so no message shows one; `what` says in words what a link is for. Raises `NotFoundError`,
`PreconditionError`, `AccessDeniedError` (the link's time is over), `PermanentCloudError` and, when nothing answers,
`TransientCloudError`.
"""

import base64
import http.client
import mimetypes
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from dropscore.cli.wire import ATTEMPTS, BUSY, TIMEOUT_S, opener_for, pause_s
from dropscore.cloud.endpoints import is_plain_loopback
from dropscore.contracts.errors import (
    AccessDeniedError,
    DropscoreError,
    FailedError,
    NotFoundError,
    PermanentCloudError,
    PreconditionError,
    TransientCloudError,
)
from dropscore.contracts.failures import Code

PIECE_BYTES: Final = 1024 * 1024
"""Bytes taken from the network at once."""
SENT_BYTES: Final = 256 * 1024
"""Bytes handed to the network at once."""
WHOLE_BYTES: Final = 64 * 1024 * 1024
"""Up to this size a file is one request; above, blocks are sent side by side."""
BLOCK_BYTES: Final = 8 * 1024 * 1024
BLOCKS_SIDE_BY_SIDE: Final = 4
AGAIN: Final = BUSY | {408, 500}
_BY_STATUS: Final = {403: AccessDeniedError, 404: NotFoundError, 412: PreconditionError}

type Advance = Callable[[int], None]


def read_link(what: str, url: str, *, if_match: str | None = None, renew: Callable[[], str]) -> Iterator[bytes]:
    """The bytes of one version of a blob, in pieces. `renew` gives another link when the time of this one is over."""
    done, etag, failed, renewed = 0, if_match and f'"{if_match}"', 0, False
    while True:
        wanted = {"If-Match": etag} if etag else {}
        wanted |= {"Range": f"bytes={done}-"} if done else {}
        broken: Exception
        try:
            with _open(what, url, headers=wanted) as answer:
                etag, end = answer.headers["ETag"], done + int(answer.headers["Content-Length"])
                while piece := answer.read(PIECE_BYTES):
                    done, failed, renewed = done + len(piece), 0, False
                    yield piece
            if done >= end:
                return
            broken = http.client.IncompleteRead(b"", end - done)
        except AccessDeniedError:
            if renewed:
                raise
            url, renewed = renew(), True
            continue
        except (OSError, http.client.HTTPException, TransientCloudError) as error:
            broken = error
        failed += 1
        if failed == ATTEMPTS:
            raise _unanswered(f"read {what}", broken)
        time.sleep(pause_s(failed))


def write_link(what: str, url: str, headers: Mapping[str, str], file: Path, size_bytes: int, advance: Advance) -> None:
    """Write a file of `size_bytes`; `headers` are those that came with the link. `advance` is told of bytes sent, and
    of those that have to be sent again as a negative number.
    """
    media_type = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    if size_bytes <= WHOLE_BYTES:
        body = partial(_pieces, file, 0, size_bytes)
        _put(what, url, {**headers, "Content-Type": media_type}, body, size_bytes, advance)
        return
    starts = range(0, size_bytes, BLOCK_BYTES)
    with ThreadPoolExecutor(BLOCKS_SIDE_BY_SIDE) as side:
        blocks = [side.submit(_put_block, what, url, file, (start, size_bytes), advance) for start in starts]
        try:
            ids = [block.result() for block in blocks]
        finally:
            side.shutdown(cancel_futures=True)
    listed = "".join(f"<Latest>{block_id}</Latest>" for block_id in ids)
    data = f'<?xml version="1.0" encoding="utf-8"?><BlockList>{listed}</BlockList>'.encode()
    told = {"Content-Type": "application/xml", "x-ms-blob-content-type": media_type}
    _put(what, f"{url}&comp=blocklist", told, lambda: iter([data]), len(data), lambda _: None)


def _put_block(what: str, url: str, file: Path, place: tuple[int, int], advance: Advance) -> str:
    """Send the block that begins at `place[0]` of a file of `place[1]` bytes; returns its id."""
    start, size_bytes = place
    length = min(BLOCK_BYTES, size_bytes - start)
    block_id = base64.b64encode(f"{start // BLOCK_BYTES:06d}".encode()).decode()
    address = f"{url}&comp=block&blockid={quote(block_id, safe='')}"
    told = {"Content-Type": "application/octet-stream"}
    _put(what, address, told, partial(_pieces, file, start, length), length, advance)
    return block_id


def _put(
    what: str, url: str, headers: Mapping[str, str], body: Callable[[], Iterable[bytes]], length: int, advance: Advance
) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        sent = _Sent(body(), advance)
        try:
            with _open(what, url, headers={**headers, "Content-Length": str(length)}, body=sent):
                return
        except (OSError, http.client.HTTPException, TransientCloudError) as error:
            advance(-sent.count)
            if attempt == ATTEMPTS:
                raise _unanswered(f"upload {what}", error) from None
            time.sleep(pause_s(attempt))


class _Sent:
    """Pieces on their way, counted."""

    def __init__(self, pieces: Iterable[bytes], advance: Advance) -> None:
        self.count = 0
        self._pieces = pieces
        self._advance = advance

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            yield piece
            self.count += len(piece)
            self._advance(len(piece))


def _pieces(file: Path, start: int, length: int) -> Iterator[bytes]:
    """`length` bytes of a file. Raises `FailedError` (E-INPUT-CHANGED) when it has fewer by now."""
    with file.open("rb") as data:
        data.seek(start)
        while length:
            piece = data.read(min(SENT_BYTES, length))
            if not piece:
                message = f"{str(file)!r} became shorter while it was being uploaded"
                raise FailedError.of(Code.INPUT_CHANGED, message, input=str(file), action="Upload it again.")
            length -= len(piece)
            yield piece


def _open(what: str, url: str, *, headers: Mapping[str, str], body: Iterable[bytes] | None = None) -> Any:
    """Send one request and hand over the answer, to be closed by the caller."""
    if not url.startswith("https://") and not is_plain_loopback(url):
        raise PermanentCloudError(f"the link to {what} is not https")
    method = "GET" if body is None else "PUT"
    request = urllib.request.Request(url, data=body, headers=dict(headers), method=method)  # noqa: S310 - checked
    try:
        return opener_for(url).open(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        with error:
            raise _refusal(what, error.code, error.headers.get("x-ms-error-code", "")) from None


def _refusal(what: str, status: int, code: str) -> DropscoreError:
    message = f"storage answered {what} with HTTP {status} {code}".rstrip()
    if status in AGAIN:
        return TransientCloudError(message)
    return _BY_STATUS.get(status, PermanentCloudError)(message)


def _unanswered(action: str, error: Exception) -> TransientCloudError:
    reason = getattr(error, "reason", None) or error
    return error if isinstance(error, TransientCloudError) else TransientCloudError(f"could not {action}: {reason}")
