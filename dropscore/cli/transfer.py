"""Upload and download files side by side, with a bar."""

import io
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, Final

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from dropscore.cli.screen import Screen
from dropscore.cli.sources import Upload
from dropscore.cloud.ports import BlobStore
from dropscore.contracts import layout
from dropscore.contracts.layout import BlobPath

FILES_SIDE_BY_SIDE: Final = 4
"""Each large file goes in blocks that are themselves sent side by side."""
PIECE_BYTES: Final = 8 * 1024 * 1024


def upload_all(uploads: Sequence[Upload], blobs: BlobStore, screen: Screen) -> None:
    """Upload files into the container `inputs`."""
    with _bar(screen) as bar, ThreadPoolExecutor(FILES_SIDE_BY_SIDE) as side:
        task = bar.add_task("Uploading", total=sum(upload.size_bytes for upload in uploads))
        _all(side.map(lambda upload: _upload(upload, blobs, bar, task), uploads))


def download_all(files: Sequence[tuple[BlobPath, Path, int]], blobs: BlobStore, screen: Screen) -> None:
    """Download (blob, file, size in bytes), making folders as needed. A file shows under its name once it is whole."""
    with _bar(screen) as bar, ThreadPoolExecutor(FILES_SIDE_BY_SIDE) as side:
        task = bar.add_task("Downloading", total=sum(size for _, _, size in files))
        _all(side.map(lambda file: _download(file, blobs, lambda count: bar.advance(task, count)), files))


def _upload(upload: Upload, blobs: BlobStore, bar: Progress, task: TaskID) -> None:
    with upload.file.open("rb") as file:
        counted = CountedFile(file, lambda count: bar.advance(task, count))
        blobs.upload(layout.input_file(upload.name), counted)


def _download(wanted: tuple[BlobPath, Path, int], blobs: BlobStore, advance: Callable[[int], None]) -> None:
    path, target, size = wanted
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.part")
    info = blobs.head(path)
    etag = None if info is None else info.etag
    with partial.open("wb") as file:
        for offset in range(0, size, PIECE_BYTES):
            piece = blobs.get_range(path, offset, min(PIECE_BYTES, size - offset), if_match=etag)
            file.write(piece)
            advance(len(piece))
    partial.replace(target)


class CountedFile(io.RawIOBase):
    """A file that tells how much of it was read; reading again after going back is not counted twice."""

    def __init__(self, file: BinaryIO, advance: Callable[[int], None]) -> None:
        self._file = file
        self._advance = advance
        self._counted = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        data = self._file.read(-1 if size is None else size)
        behind = self._file.tell() - self._counted
        if behind > 0:
            self._counted += behind
            self._advance(behind)
        return data

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


def _bar(screen: Screen) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=screen.err,
        disable=not screen.lively,
        transient=True,
    )


def _all(results: Iterable[None]) -> None:
    """Wait for everything; raises what the first that failed raised."""
    for _ in results:
        pass
