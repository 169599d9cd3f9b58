"""The three stages of a shard, each in threads of its own: source, lane, sink.

Times are taken where the work is done; waiting for another stage is in none of them.
"""

import itertools
import logging
from collections.abc import Callable, Collection, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

from dropscore.cloud.block_cache import FetchMeter
from dropscore.cloud.ports import Clock
from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code, FailureClass
from dropscore.workloads.base import Item, Sink
from gpu_worker.board import Board
from gpu_worker.causes import class_of
from gpu_worker.deaths import LOADING
from gpu_worker.engine import Engine
from gpu_worker.job import Batch, Job, Pending, Stop, StoppedError
from gpu_worker.loaded import Loaded, item_bytes
from gpu_worker.loading import Trying
from gpu_worker.runs import RunContext

log = logging.getLogger(__name__)

ITEMS_OWN = frozenset({FailureClass.BUG, FailureClass.OUT_OF_MEMORY})
"""Classes of failures that one item of a batch may bring about."""

type Admit = Callable[[Job], RunContext]
"""Says what a shard belongs to, or raises: `StoppedError`, `FailedError`."""
type LoadModel = Callable[[RunContext, Item, Trying], Loaded]
"""The run's model, ready for batches of items such as this one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stages:
    """What the stages share."""

    board: Board
    engine: Engine
    clock: Clock
    admit: Admit
    load: LoadModel

    # --- source: fetch, decode, preprocess

    def source(self, job: Job) -> None:
        """Decode a shard and hand its batches to the lanes."""
        with self._wall(job):
            self._source(job)
        self.board.stage_ended(job)

    def _source(self, job: Job) -> None:
        context = job.context = self.admit(job)
        self.board.await_turn(job)
        job.lease.note.started()
        if job.message.piece is not None:
            job.shard = context.narrowed(job.message.shard, job.message.piece)
        started = self.clock.monotonic()
        items = self._items(job, context)
        first = next(items, None)
        if first is None:
            raise FailedError.of(Code.INPUT_CORRUPT, "the input holds no item where the plan saw some")
        job.setup_s += self.clock.monotonic() - started
        model = self._model(job, context, first)
        job.scorer, job.model = model.for_shard(job.shard), model
        numbers, most = itertools.count(), self._batch_size(job, model, first)
        everything = itertools.chain((first,), items)
        del first
        for batch_items in batches(everything, most, job.apart):
            self._let_pass(job, batch_items[0].index, batch_items[-1].index)
            self.board.put(job, self._batch(job, next(numbers), batch_items))
            job.sourced += 1
            del batch_items  # large, here and below: not to be kept while the next is decoded
        self.board.sourced(job, next(numbers))

    def _let_pass(self, job: Job, *items: int) -> None:
        """Before work on items that are to be apart, and after it, wait for all that went before."""
        if not job.apart.isdisjoint(items):
            self.board.await_sunk(job, job.sourced)

    def _items(self, job: Job, context: RunContext) -> Iterator[Item]:
        """The shard's items, each timed. Raises `FailedError` when there are more or fewer than planned."""
        shard, meter = job.shard, FetchMeter()
        source = iter(context.scoring.open_source(shard, context.options, context.inputs.metered(meter)))
        try:
            for count in itertools.count():
                item = self._next(job, source, meter, shard.first_item + count)
                if item is None:
                    break
                if count == shard.items:
                    raise _miscounted(shard.items, "more")
                yield item
                del item
        finally:
            if isinstance(source, Generator):
                source.close()  # a decoder and its file, not left to whoever still holds an error's traceback
        if 0 < count < shard.items:
            raise _miscounted(shard.items, f"only {count}")

    def _next(self, job: Job, source: Iterator[Item], meter: FetchMeter, coming: int) -> Item | None:
        job.check()
        self._let_pass(job, coming - 1, coming)
        started, waited_s = self.clock.monotonic(), meter.wait_s
        with job.working("decoding", started, (coming,)):
            item = next(source, None)
        if item is not None:
            time, waited_s = job.time_of(item.index), meter.wait_s - waited_s
            time.fetch_s, time.decode_s = waited_s, max(0.0, self.clock.monotonic() - started - waited_s)
            job.megapixels += _megapixels(item.pixels)
        return item

    def _model(self, job: Job, context: RunContext, first: Item) -> Loaded:
        def trying() -> AbstractContextManager[None]:
            return job.working("trying", self.clock.monotonic(), (first.index,))

        with job.noting(LOADING, self.clock.monotonic(), job.items):
            return self.load(context, first, trying)

    def _batch_size(self, job: Job, model: Loaded, first: Item) -> int:
        return 1 if job.one_by_one else self.engine.batch_size(model, item_bytes(first))

    def _batch(self, job: Job, number: int, items: list[Item]) -> Batch:
        assert job.scorer is not None
        started = self.clock.monotonic()
        with job.working("preparing", started, [item.index for item in items]):
            tensor = self.engine.stage(job.scorer.preprocess(items))
        each_s = (self.clock.monotonic() - started) / len(items)
        for item in items:
            job.time_of(item.index).preprocess_s = each_s
        return Batch(number=number, items=items, tensor=tensor)

    # --- lane: predict

    def lane(self) -> None:
        """Predict batches until the board is closed."""
        while self._predict_next():
            pass

    def _predict_next(self) -> bool:
        work = self.board.take()
        if work is not None:
            self._lane(*work)
        return work is not None

    def _lane(self, job: Job, batch: Batch) -> None:
        assert job.scorer is not None
        assert job.model is not None
        pending = None
        with self._wall(job):
            job.check()
            with job.working(f"predicting {batch.number}", self.clock.monotonic(), batch.indices):
                if batch.items[0].fresh:
                    job.scorer.begin(job.shard)
                pending = self._predict(job, batch)
        batch.tensor = None
        self.board.give(job, batch, pending)

    def _predict(self, job: Job, batch: Batch) -> Pending:
        """Predict a batch. Of one that fails each item is predicted alone, and the first that fails again is blamed.
        The results of the others count for nothing, since a batch is scored whole or not at all; a single item that
        comes out the second time has come out.
        """
        assert job.scorer is not None
        assert job.model is not None
        try:
            return self.engine.predict(job.model, job.scorer, batch, check=job.check)
        except Exception as error:
            if not job.model.independent or class_of(error) not in ITEMS_OWN:
                raise
            pending = self._one_by_one(job, batch, error)
            if pending is not None and len(batch.items) == 1:
                return pending
            raise

    def _one_by_one(self, job: Job, batch: Batch, error: Exception) -> Pending | None:
        """Predict a batch's items each alone. None when one failed, which is blamed; else the last result."""
        assert job.scorer is not None
        assert job.model is not None
        pending = None
        for at, item in enumerate(batch.items):
            alone = Batch(number=batch.number, items=[item], tensor=batch.tensor[at : at + 1])
            try:
                pending = self.engine.predict(job.model, job.scorer, alone, check=job.check)
                pending.wait()
            except StoppedError:
                raise
            except Exception:  # noqa: BLE001 - the error that is told is that of the batch
                job.blame(error, (item.index,), times=2)
                return None
        return pending

    # --- sink: postprocess, encode

    def sink(self, job: Job) -> None:
        """Take a shard's results in order and make its part."""
        with self._wall(job):
            sink = self._sink(job)
            if sink is not None:
                started = self.clock.monotonic()
                with job.working("closing", started, job.items):
                    job.part = sink.close()
                job.setup_s += self.clock.monotonic() - started
        self.board.stage_ended(job)

    def _sink(self, job: Job) -> Sink | None:
        """The sink with everything written to it; None when nothing came. Aborted when something is raised."""
        sinks: list[Sink] = []
        try:
            while self._write_next(job, sinks):
                pass
        except BaseException:
            for sink in sinks:
                sink.abort()
            raise
        return sinks[0] if sinks else None

    def _write_next(self, job: Job, sinks: list[Sink]) -> bool:
        """Write one batch of results, opening the sink for the first; False when none is left. Keeps none of them."""
        result = self.board.result(job)
        if result is None:
            return False
        assert job.context is not None
        batch, pending = result
        with job.working("fetching", self.clock.monotonic(), batch.indices):
            tensor, predict_s = pending.wait()
        self.board.measured(job, predict_s / len(batch.items))
        if not sinks:
            sinks.append(job.context.scoring.open_sink(job.shard, job.context.options))
        self._write(job, sinks[0], batch, tensor, predict_s / len(batch.items))
        return True

    def _write(self, job: Job, sink: Sink, batch: Batch, tensor: Any, predict_s: float) -> None:
        assert job.scorer is not None
        started = self.clock.monotonic()
        with job.working("finishing", started, batch.indices):
            self.engine.require_finite(tensor, batch.indices)
            values = job.scorer.postprocess(tensor, batch.items)
        postprocess_s = (self.clock.monotonic() - started) / len(batch.items)
        for item, value in zip(batch.items, values, strict=True):
            job.check()
            before = self.clock.monotonic()
            with job.working("encoding", before, (item.index,)):
                sink.write(item, value)
            time = job.time_of(item.index)
            time.predict_s, time.postprocess_s = predict_s, postprocess_s
            time.encode_s = self.clock.monotonic() - before

    @contextmanager
    def _wall(self, job: Job) -> Iterator[None]:
        """The one place where anything may be caught: what a shard's work raises stops that shard and no other."""
        try:
            yield
        except StoppedError as stopped:
            self.board.stop(job, stopped.reason)
        except Exception as error:  # noqa: BLE001 - becomes a failure with a class in `causes.cause_of`
            self.board.stop(job, Stop.FAILED, error)


def batches(items: Iterator[Item], most: int, apart: Collection[int] = ()) -> Iterator[list[Item]]:
    """Consecutive items, `most` together and never across one that is fresh; those `apart` each alone."""
    batch: list[Item] = []
    for item in items:
        if batch and (item.fresh or item.index in apart):
            yield batch
            batch = []
        batch.append(item)
        if len(batch) == most or item.index in apart:
            del item
            yield batch
            batch = []
    if batch:
        yield batch


def _miscounted(planned: int, seen: str) -> FailedError:
    return FailedError.of(Code.INPUT_CORRUPT, f"the plan counted {planned} items here, decoding gave {seen}")


def _megapixels(pixels: Any) -> float:
    """Millions of pixels of an (H, W, ...) array; 0 for anything else."""
    shape: tuple[int, ...] = getattr(pixels, "shape", ())
    return float(shape[0] * shape[1]) / 1e6 if len(shape) >= 2 else 0.0
