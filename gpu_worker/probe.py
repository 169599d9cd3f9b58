"""Finds how a device runs a model fastest: precision, memory layout, items in a batch. About a second, once.

Nothing is assumed: 16 bits are 3 x faster on one CPU and 5 x slower on another. What is not clearly faster than
the plain way is not taken, so that noise does not decide.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dropscore.contracts.measured import ExecutionProfile, Precision
from dropscore.workloads.base import Item, Scorer
from gpu_worker.causes import is_out_of_memory
from gpu_worker.engine import PRECISIONS, Engine
from gpu_worker.job import Stop, StoppedError
from gpu_worker.loaded import item_bytes
from gpu_worker.runner import Runner

CLEARLY = 0.9
"""A candidate is taken when its time is under this share of the best one's before it."""
BATCH_CLEARLY = 0.97
SLOW_S = 1.5
"""A model that takes longer for one item is not probed: the device's first candidate is taken."""
PROBE_S = 3.0
"""Longest time spent on candidates; those not reached are not taken."""
SAMPLE_PIXELS = 360 * 640
CPU_BATCH_BYTES = 2**22
"""On a CPU, batches only save calls, so small items alone are batched: up to this many bytes."""
MOST_ITEMS = 32


@dataclass(frozen=True, slots=True)
class Candidate:
    """A way to run a model."""

    precision: Precision
    channels_last: bool

    @property
    def words(self) -> str:
        """For the reason in the profile."""
        return f"{self.precision}{' channels-last' if self.channels_last else ''}"


type Load = Callable[[Candidate], Scorer]


def candidates(*, is_cpu: bool, half_types: Sequence[Precision]) -> tuple[Candidate, ...]:
    """What is tried, the plain way first. `half_types` is empty where the package does not allow 16 bits."""
    if is_cpu:
        return (
            Candidate(Precision.FLOAT32, channels_last=False),
            *(Candidate(half, channels_last=True) for half in half_types),
            Candidate(Precision.FLOAT32, channels_last=True),
        )
    return (
        Candidate(Precision.FLOAT32, channels_last=True),
        *(Candidate(half, channels_last=True) for half in half_types),
    )


class Probe:
    """Times candidates on one item."""

    def __init__(self, engine: Engine, runner: Runner) -> None:
        self._engine = engine
        self._runner = runner

    def run(self, load: Load, item: Item, *, allow_half: bool) -> ExecutionProfile:
        """The fastest profile for this model on this device, measured on (a part of) one item."""
        half_types = [PRECISIONS[dtype] for dtype in self._runner.half_types()] if allow_half else []
        ways = candidates(is_cpu=self._engine.device.is_cpu, half_types=half_types)
        sample = _sample(item)
        deadline = time.perf_counter() + PROBE_S
        best, timed = ways[0], list[str]()
        best_s: float | None = None
        for way in ways:
            if time.perf_counter() > deadline:
                timed.append(f"{way.words} not tried for want of time")
                continue
            seconds = self._time(load(way), self._profile(way), [sample], SLOW_S)
            timed.append(f"{way.words} {'too slow' if seconds is None else f'{seconds * 1000:.1f} ms'}")
            if seconds is None and best_s is None:
                break
            if seconds is not None and (best_s is None or seconds < CLEARLY * best_s):
                best, best_s = way, seconds
        batch = 1 if best_s is None else self._batch(load(best), best, item, best_s)
        return self._profile(best, batch=batch, size=item_bytes(item), reason="; ".join(timed))

    def _batch(self, scorer: Scorer, way: Candidate, item: Item, single_s: float) -> int:
        """The smallest batch that is about as fast for each item as the fastest."""
        best, best_s = 1, single_s
        most = self._most_items(item)
        deadline = time.perf_counter() + PROBE_S
        tried = 2
        while tried <= most and time.perf_counter() < deadline:
            seconds = self._time(scorer, self._profile(way), [item] * tried, PROBE_S)
            if seconds is None:
                break
            if tried == 2:
                # The single item was timed on a part of it; compare like with like.
                best_s = self._time(scorer, self._profile(way), [item], PROBE_S) or best_s
            if seconds / tried >= BATCH_CLEARLY * best_s:
                break
            best, best_s = tried, seconds / tried
            tried *= 2
        return best

    def _most_items(self, item: Item) -> int:
        if self._engine.device.is_cpu:
            return min(MOST_ITEMS, CPU_BATCH_BYTES // item_bytes(item))
        return MOST_ITEMS

    def _time(self, scorer: Scorer, profile: ExecutionProfile, items: Sequence[Item], limit_s: float) -> float | None:
        """Seconds of the better of two calls after a first; None when one takes too long or does not fit."""
        batch = self._engine.stage(scorer.preprocess(items))
        taken = list[float]()
        for _ in range(3):
            try:
                _, seconds = self._engine.run(profile, scorer, batch, check=time_limit(limit_s)).wait()
            except StoppedError:
                return None
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                self._engine.free()
                return None
            if seconds > limit_s:
                return None
            taken.append(seconds)
        return min(taken[1:])

    def _profile(self, way: Candidate, *, batch: int = 1, size: int = 1, reason: str = "") -> ExecutionProfile:
        return ExecutionProfile(
            device=self._engine.device.kind,
            precision=way.precision,
            channels_last=way.channels_last,
            batch_items=batch,
            item_bytes=size,
            reason=reason,
        )


def time_limit(seconds: float) -> Callable[[], None]:
    """A check that raises `StoppedError` from this long from now on."""
    deadline = time.perf_counter() + seconds

    def check() -> None:
        if time.perf_counter() > deadline:
            raise StoppedError(Stop.LEAVING)

    return check


def _sample(item: Item) -> Item:
    """The item, or the middle of it if it is a large (H, W, 3) picture: that tells precision and layout apart too."""
    shape: tuple[int, ...] = getattr(item.pixels, "shape", ())
    if len(shape) != 3 or shape[2] != 3 or shape[0] * shape[1] <= SAMPLE_PIXELS:
        return item
    share = (SAMPLE_PIXELS / (shape[0] * shape[1])) ** 0.5
    height, width = (max(1, int(side * share) // 8 * 8) for side in shape[:2])
    top, left = (shape[0] - height) // 2, (shape[1] - width) // 2
    return Item(item.index, item.pixels[top : top + height, left : left + width], item.context)
