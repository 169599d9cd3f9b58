"""Scores lines; see `lines.Kind` for what some of them do meanwhile."""

import ctypes
import math
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor

from chaos_lines.journal import Journal, journal_in
from chaos_lines.lines import LINE_BYTES, Kind, kind_of, result_line, score_of, share_of
from chaos_lines.options import LinesOptions
from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code
from dropscore.contracts.plan import ShardSpec
from dropscore.workloads.base import InputFiles, Item, LoadRequest, PartFile, Scorer, Sink, WorkloadOptions

DIGEST_BYTES = 32
ONE_AT_A_TIME = threading.Lock()


class LinesScorer:
    """No network: a digest for each line, after some milliseconds."""

    memory_bytes = 1
    independent = True

    def __init__(self, options: LinesOptions) -> None:
        self._options = options

    def begin(self, shard: ShardSpec) -> None:
        """Nothing is kept."""

    def preprocess(self, items: Sequence[Item]) -> Tensor:
        return torch.from_numpy(np.stack([item.pixels for item in items]))

    def predict(self, batch: Tensor) -> Tensor:
        """(N, LINE_BYTES) uint8 to (N, 32) float32: the digests' bytes as numbers."""
        lines = [bytes(row) for row in batch.numpy()]
        with ONE_AT_A_TIME if self._options.one_at_a_time else nullcontext():
            time.sleep(sum(map(self._seconds, lines)))
        return torch.tensor([self._score(line) for line in lines], dtype=torch.float32)

    def postprocess(self, result: Tensor, items: Sequence[Item]) -> Sequence[Any]:
        for item, row in zip(items, result, strict=True):
            if not row.isfinite().all():
                raise FailedError.of(Code.OUTPUT_INVALID, item=item.index)
        return [bytes(row).hex() for row in result.to(torch.uint8).numpy()]

    def _seconds(self, line: bytes) -> float:
        return self._options.item_ms / 1000 * (share_of(line) if self._options.uneven else 1.0)

    def _score(self, line: bytes) -> list[float]:
        match kind_of(line):
            case Kind.RAISES:
                raise ArithmeticError(f"this line cannot be scored: {line.decode().strip()}")
            case Kind.HANGS:
                time.sleep(self._options.hang_s)
            case Kind.SEGFAULTS:
                ctypes.string_at(0)
            case Kind.NAN:
                return [math.nan] * DIGEST_BYTES
        return [float(byte) for byte in bytes.fromhex(score_of(line, self._options.salt))]


class LinesSink:
    """Writes one line of text for each item."""

    def __init__(self, shard: ShardSpec, journal: Journal) -> None:
        self._shard = shard
        self._journal = journal
        self._lines: list[bytes] = []

    def write(self, item: Item, result: Any) -> None:
        self._journal.note("scored", shard=self._shard.shard_id, first=item.index, items=1)
        kind = kind_of(item.context)
        if kind is Kind.KILLS or (kind is Kind.KILLS_ONCE and self._journal.first_time(item.index)):
            os.kill(os.getpid(), signal.SIGKILL)
        if kind is Kind.BROKEN and not self._journal.mended:
            raise ArithmeticError(f"the result of item {item.index} cannot be written yet")
        self._lines.append(result_line(item.index, result))

    def close(self) -> PartFile:
        shard = self._shard
        self._journal.note("closed", shard=shard.shard_id, first=shard.first_item, items=shard.items)
        return PartFile(data=b"".join(self._lines), suffix="txt", media_type="text/plain")

    def abort(self) -> None:
        """Nothing is left behind."""


class LinesScoring:
    """The worker's side (`dropscore.workloads.base.Scoring`)."""

    def model_key(self, options: WorkloadOptions) -> str:
        given = _ours(options)
        return f"{given.salt} {given.item_ms} {given.uneven} {given.one_at_a_time}"

    def load(self, request: LoadRequest) -> Scorer:
        return LinesScorer(_ours(request.options))

    def open_source(self, shard: ShardSpec, options: WorkloadOptions, inputs: InputFiles) -> Iterator[Item]:
        journal = journal_in(_ours(options).journal)
        journal.note("opened", shard=shard.shard_id, first=shard.first_item, items=shard.items)
        with inputs.open(shard.input_index) as file:
            file.seek(int(shard.work["from_item"]) * LINE_BYTES)
            text = file.read(shard.items * LINE_BYTES)
        for place in range(shard.items):
            line = text[place * LINE_BYTES : (place + 1) * LINE_BYTES]
            item = shard.first_item + place
            if kind_of(line) is Kind.CORRUPT:
                raise FailedError.of(Code.INPUT_CORRUPT, "the line is not readable", item=item)
            yield Item(item, np.frombuffer(line, np.uint8).copy(), line)

    def open_sink(self, shard: ShardSpec, options: WorkloadOptions) -> Sink:
        return LinesSink(shard, journal_in(_ours(options).journal))


SCORING = LinesScoring()


def _ours(options: WorkloadOptions) -> LinesOptions:
    assert isinstance(options, LinesOptions)
    return options
