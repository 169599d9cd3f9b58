"""The part of a shard of pictures: a ZIP archive without compression, one file for each result."""

import io
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from dropscore.contracts.base import Json
from dropscore.workloads.base import Binary, PartFile
from dropscore.workloads.media.colour import Pixels
from dropscore.workloads.media.images import Kept, write_picture
from dropscore.workloads.media.sheet import small_picture, thumbnail

SUFFIX: Final = "zip"
MEDIA_TYPE: Final = "application/zip"

_LONG_AGO: Final = (1980, 1, 1, 0, 0, 0)
"""The date of every entry, so that the same results give the same bytes."""

_BEFORE, _AFTER = "report/before.jpg", "report/after.jpg"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultPicture:
    """One result in a part: the item's index over the run, and the encoded picture."""

    item: int
    suffix: str
    data: bytes


class PicturePart:
    """Writes a part. Results are added in the order of their items; `finish` gives the archive."""

    def __init__(self, items: int) -> None:
        self._items = items
        self._written = 0
        self._thumbnail: str | None = None
        self._file = io.BytesIO()
        self._archive = zipfile.ZipFile(self._file, "w", zipfile.ZIP_STORED)

    def add(self, item: int, before: Pixels, after: Pixels, kept: Kept) -> None:
        """One result, (H, W, 3) RGB uint8 of its input's size. Raises ValueError when it has another size."""
        if before.shape != after.shape:
            raise ValueError(f"a result of shape {after.shape} for a picture of shape {before.shape}")
        self._put(f"results/{item:07d}.{kept.suffix}", write_picture(after, kept))
        if self._written == 0:
            self._put(_BEFORE, small_picture(before))
            shown = small_picture(after)
            self._put(_AFTER, shown)
            self._thumbnail = thumbnail(shown)
        self._written += 1

    def finish(self) -> PartFile:
        """The part. Raises ValueError when results are missing."""
        if self._written != self._items:
            raise ValueError(f"{self._written} pictures were written of {self._items}")
        self._archive.close()
        metrics: Mapping[str, Json] = {"frames": self._items, "picture": self._thumbnail}
        return PartFile(data=self._file.getvalue(), suffix=SUFFIX, media_type=MEDIA_TYPE, metrics=metrics)

    def abort(self) -> None:
        """Throw away what was written."""
        self._archive.close()

    def _put(self, name: str, data: bytes) -> None:
        self._archive.writestr(zipfile.ZipInfo(name, _LONG_AGO), data)


def results_in(part: Binary) -> Iterator[ResultPicture]:
    """The results of a part, in the order of their items."""
    with zipfile.ZipFile(part) as archive:
        for name in archive.namelist():
            folder, _, file = name.partition("/")
            item, _, suffix = file.partition(".")
            if folder == "results":
                yield ResultPicture(item=int(item), suffix=suffix, data=archive.read(name))


def report_pictures(part: Binary) -> tuple[bytes, bytes]:
    """The small JPEG pictures of the part's first item: original and result."""
    with zipfile.ZipFile(part) as archive:
        return archive.read(_BEFORE), archive.read(_AFTER)
