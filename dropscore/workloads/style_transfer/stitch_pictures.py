"""Put the results of pictures where they belong: each under its own name, in its own format."""

import io
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Final

from dropscore.contracts.plan import InputSummary, ShardSpec
from dropscore.contracts.receipt import OutputFile
from dropscore.contracts.verdict import Outcome
from dropscore.workloads.base import StitchRequest
from dropscore.workloads.media.images import picture_suffix
from dropscore.workloads.media.picture_part import ResultPicture, report_pictures, results_in
from dropscore.workloads.style_transfer.gallery import Gallery
from dropscore.workloads.style_transfer.missing import Missing, cannot_go_on
from dropscore.workloads.style_transfer.options import OnMissing, StyleTransferOptions
from dropscore.workloads.style_transfer.outputs import Names, output_of, own_name
from dropscore.workloads.style_transfer.work import PictureWork, work_of

_SUFFIXES: Final = {
    "jpg": frozenset({".jpg", ".jpeg", ".jpe", ".jfif"}),
    "png": frozenset({".png"}),
    "webp": frozenset({".webp"}),
    "bmp": frozenset({".bmp", ".dib"}),
}
"""Suffixes that an output may keep, by the format of its content."""

_MEDIA_TYPES: Final = {"jpg": "image/jpeg", "png": "image/png", "webp": "image/webp", "bmp": "image/bmp"}


class PictureStitcher:
    """Writes pictures. `missing` counts those without a result, by what became of them."""

    def __init__(
        self,
        request: StitchRequest,
        options: StyleTransferOptions,
        summaries: Mapping[int, InputSummary],
        names: Names,
        gallery: Gallery,
    ) -> None:
        self._request = request
        self._options = options
        self._summaries = summaries
        self._names = names
        self._gallery = gallery
        self.missing = Counter[Missing]()

    def stitch(self, shards: Iterator[ShardSpec]) -> Iterator[OutputFile]:
        """Write the results of shards of pictures, one output for each item that is not left out."""
        for shard in shards:
            work = work_of(shard)
            if not isinstance(work, PictureWork):
                raise TypeError(f"shard {shard.shard_id} is not of pictures")
            ended = self._request.parts.verdict(shard)
            if ended.outcome is Outcome.DONE:
                yield from self._write_all(work, self._results(shard, work), coverage=1.0)
            elif self._options.on_missing is OnMissing.FAIL:
                raise cannot_go_on(shard, ended)
            elif self._options.on_missing is OnMissing.PASSTHROUGH:
                self.missing[Missing.ORIGINAL] += shard.items
                yield from self._write_all(work, self._originals(shard, work), coverage=0.0)
            else:
                self.missing[Missing.LEFT_OUT] += shard.items

    def _write_all(
        self, work: PictureWork, pictures: Iterator[ResultPicture], *, coverage: float
    ) -> Iterator[OutputFile]:
        for line, picture in zip(work.inputs, pictures, strict=True):
            yield self._write(self._summaries[line], picture, coverage)

    def _results(self, shard: ShardSpec, work: PictureWork) -> Iterator[ResultPicture]:
        with self._request.parts.open(shard) as file:
            part = io.BytesIO(file.read())
        self._show(shard, work, part)
        yield from results_in(part)

    def _originals(self, shard: ShardSpec, work: PictureWork) -> Iterator[ResultPicture]:
        for item, line in enumerate(work.inputs, start=shard.first_item):
            with self._request.inputs.open(line) as file:
                data = file.read()
            yield ResultPicture(item=item, suffix=picture_suffix(data), data=data)

    def _show(self, shard: ShardSpec, work: PictureWork, part: io.BytesIO) -> None:
        if self._gallery.wants(shard.first_item):
            before, after = report_pictures(part)
            self._gallery.add(shard.first_item, own_name(self._summaries[work.inputs[0]].name), before, after)

    def _write(self, summary: InputSummary, result: ResultPicture, coverage: float) -> OutputFile:
        own = PurePosixPath(summary.name).suffix
        ending = own if own.lower() in _SUFFIXES.get(result.suffix, {own.lower()}) else f".{result.suffix}"
        path = self._request.folder / self._names.name(summary.name, ending)
        path.write_bytes(result.data)
        media_type = _MEDIA_TYPES.get(result.suffix, "application/octet-stream")
        title = f"{own_name(summary.name)}, {'styled' if coverage else 'the original'}"
        return output_of(path, media_type, title, {"coverage": coverage})
