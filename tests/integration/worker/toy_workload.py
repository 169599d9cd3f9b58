"""A workload small enough to check by hand: inputs are raw bytes, an item is `SIDE` x `SIDE` x 3 of them, scoring
turns every byte b into 255 - b, a part is the results one after the other.

What an item's first byte is decides whether it behaves (see `Misbehaviour`).
"""

import ctypes
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code
from dropscore.contracts.plan import Piece, ShardSpec
from dropscore.workloads.base import (
    InputFiles,
    Item,
    LoadRequest,
    PartFile,
    Scorer,
    Sink,
    WorkloadDefinition,
    WorkloadOptions,
)

SIDE = 4
ITEM_BYTES = SIDE * SIDE * 3
BOMB_BYTES = 2**31
DEADLY_MODEL = "deadly"
"""Kills its process while it is loaded."""
HOLD_FILE = "TOY_HOLD_FILE"
"""Environment variable with the file whose coming lets a held item go."""


class Misbehaviour(IntEnum):
    """First byte of an item that does not behave."""

    SEGFAULT = 240
    """Kills its process in `predict`."""
    DECODER_SEGFAULT = 241
    ABORT = 242
    """Kills its process in the sink."""
    KILLED = 243
    """Has its process killed with SIGKILL, as the kernel does when memory runs out."""
    HANG = 244
    """Never comes out of `predict`."""
    DECODER_HANG = 245
    BOMB = 246
    """Takes memory until it is stopped, or `BOMB_BYTES` are taken."""
    CORRUPT = 251
    """Cannot be decoded."""
    BUG = 252
    """Raises in `predict`."""
    DEVICE_LOST = 253
    OUT_OF_MEMORY = 254
    """Does not fit on the device in a batch of more than one."""
    TOO_LARGE = 249
    """Does not fit on the device, not even alone."""
    NAN = 250
    """Its result is not a number."""
    HELD = 255
    """Waits in `predict` until the test lets go."""


class ToyOptions(WorkloadOptions):
    """`sequential`: each result also adds the number of items of the shard before it."""

    sequential: bool = False
    model: str = "plain"


class Stage:
    """What the test sees of, and does to, all scorers; reset before each test."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.loads: list[str] = []
        self.batches: list[list[int]] = []
        self.opened: list[int] = []
        self.let_go = threading.Event()
        self.held = threading.Event()
        self.faults = 0
        """Batches that raise, whatever they hold."""
        self.lock = threading.Lock()


STAGE = Stage()


def segfault() -> None:
    """What a decoder does that reads where it must not."""
    ctypes.string_at(0)


def take_memory() -> None:
    """What a decompression bomb does."""
    taken = [np.ones(2**24, dtype=np.uint8) for _ in range(BOMB_BYTES // 2**24)]
    threading.Event().wait(len(taken))


class ToyScorer:
    def __init__(self, *, sequential: bool, checkpoint: Callable[[], None]) -> None:
        self._sequential = sequential
        self._checkpoint = checkpoint
        self._seen = 0

    @property
    def independent(self) -> bool:
        return not self._sequential

    @property
    def memory_bytes(self) -> int:
        return 1000

    def begin(self, shard: ShardSpec) -> None:
        self._seen = 0

    def preprocess(self, items: Sequence[Item]) -> torch.Tensor:
        return torch.from_numpy(np.stack([item.pixels for item in items]))

    def predict(self, batch: torch.Tensor) -> torch.Tensor:
        marks = [int(item[0, 0, 0]) for item in batch]
        with STAGE.lock:
            STAGE.batches.append(marks)
        self._misbehave(marks)
        seen, self._seen = self._seen, self._seen + len(batch)
        result = 255 - batch + (seen if self._sequential else 0)
        if Misbehaviour.NAN in marks:
            result = result.float()
            result[marks.index(Misbehaviour.NAN)] = float("nan")
        return result

    def postprocess(self, result: torch.Tensor, items: Sequence[Item]) -> Sequence[Any]:
        return list(result.numpy())

    def _misbehave(self, marks: list[int]) -> None:
        with STAGE.lock:
            STAGE.faults, fails = max(0, STAGE.faults - 1), STAGE.faults > 0
        if fails:
            raise RuntimeError("once in a while")
        if Misbehaviour.BUG in marks:
            raise ZeroDivisionError("a bug")
        if Misbehaviour.DEVICE_LOST in marks:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
        if Misbehaviour.TOO_LARGE in marks or (Misbehaviour.OUT_OF_MEMORY in marks and len(marks) > 1):
            raise torch.OutOfMemoryError("tried to allocate more than there is")
        if Misbehaviour.SEGFAULT in marks:
            segfault()
        if Misbehaviour.KILLED in marks:
            os.kill(os.getpid(), signal.SIGKILL)
        if Misbehaviour.HANG in marks:
            threading.Event().wait()
        if Misbehaviour.HELD in marks:
            self._hold()

    def _hold(self) -> None:
        """Until the test lets go: by an event, or by a file where the worker is a process of its own."""
        STAGE.held.set()
        file = Path(os.environ.get(HOLD_FILE, ""))
        if HOLD_FILE in os.environ:
            Path(f"{file}.held").touch()
        while not (STAGE.let_go.wait(0.005) or (HOLD_FILE in os.environ and file.exists())):
            self._checkpoint()


class ToySink:
    def __init__(self) -> None:
        self._data = bytearray()

    def write(self, item: Item, result: Any) -> None:
        if item.pixels[0, 0, 0] == Misbehaviour.ABORT:
            os.abort()
        self._data += result.tobytes()

    def close(self) -> PartFile:
        return PartFile(data=bytes(self._data), suffix="bin", media_type="application/octet-stream", metrics={"n": 1})

    def abort(self) -> None:
        self._data.clear()


class ToyScoring:
    def model_key(self, options: ToyOptions) -> str:
        return f"{options.model} {options.sequential}"

    def load(self, request: LoadRequest) -> Scorer:
        assert isinstance(request.options, ToyOptions)
        STAGE.loads.append(request.options.model)
        if request.options.model == DEADLY_MODEL:
            segfault()
        return ToyScorer(sequential=request.options.sequential, checkpoint=request.checkpoint)

    def open_source(self, shard: ShardSpec, options: ToyOptions, inputs: InputFiles) -> Iterator[Item]:
        STAGE.opened.append(shard.shard_id)
        file = inputs.open(shard.input_index)
        file.seek(int(str(shard.work["offset"])))
        for index in range(shard.first_item, shard.first_item + shard.items):
            data = file.read(ITEM_BYTES)
            if not data:
                return
            pixels = np.frombuffer(data, dtype=np.uint8).reshape(SIDE, SIDE, 3)
            if pixels[0, 0, 0] == Misbehaviour.CORRUPT:
                raise FailedError.of(Code.INPUT_CORRUPT, f"item {index} is corrupt", item=index)
            _misbehave_in_decoder(int(pixels[0, 0, 0]))
            yield Item(index, pixels)

    def open_sink(self, shard: ShardSpec, options: ToyOptions) -> Sink:
        return ToySink()


def _misbehave_in_decoder(mark: int) -> None:
    if mark == Misbehaviour.DECODER_SEGFAULT:
        segfault()
    if mark == Misbehaviour.DECODER_HANG:
        threading.Event().wait()
    if mark == Misbehaviour.BOMB:
        take_memory()


SCORING = ToyScoring()


def narrow(shard: ShardSpec, piece: Piece, options: WorkloadOptions, inputs: InputFiles) -> ShardSpec:
    """The bytes of these items."""
    offset = int(str(shard.work["offset"])) + (piece.first_item - shard.first_item) * ITEM_BYTES
    work = {"offset": offset}
    return shard.model_copy(update={"first_item": piece.first_item, "items": piece.items, "work": work})


TOY = WorkloadDefinition(
    name="toy",
    title="Turns bytes over",
    options="toy_workload:ToyOptions",
    planner="toy_workload:none",
    scoring="toy_workload:SCORING",
    stitcher="toy_workload:none",
    narrow="toy_workload:narrow",
)

WHOLE_TOY = replace(TOY, narrow=None)
"""One whose shards are not divided."""
