"""How a batch gets to a device and its result back: at once on a CPU, by streams on CUDA."""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch

from gpu_worker.job import Pending

type Predict = Callable[[torch.Tensor], torch.Tensor]

IN_FLIGHT = 2
"""Batches given to a device that is not this CPU: one at work, one waiting, so that it never waits for the host."""


class Runner(Protocol):
    """One kind of device."""

    def stage(self, batch: torch.Tensor) -> torch.Tensor:
        """Make a host tensor ready to be moved to the device."""

    def run(self, predict: Predict, batch: torch.Tensor) -> Pending:
        """Move a host tensor to the device, predict, and begin to fetch the result."""

    def free(self) -> None:
        """Hand cached memory back to the device."""

    def half_types(self) -> tuple[torch.dtype, ...]:
        """16-bit types the device computes with, best first."""

    def free_bytes(self) -> int | None:
        """Memory left on the device; None where it does not bound the batch."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A result that is there."""

    tensor: torch.Tensor
    seconds: float

    def wait(self) -> tuple[torch.Tensor, float]:
        return self.tensor, self.seconds


class CpuRunner:
    """The machine's own cores: the calling thread does the work."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        """`clock` gives seconds, by which runs are timed."""
        self._clock = clock

    def stage(self, batch: torch.Tensor) -> torch.Tensor:
        return batch

    def run(self, predict: Predict, batch: torch.Tensor) -> Pending:
        started = self._clock()
        result = predict(batch)
        return Ready(result, self._clock() - started)

    def free(self) -> None:
        """A CPU has nothing to hand back."""

    def half_types(self) -> tuple[torch.dtype, ...]:
        return (torch.bfloat16,)

    def free_bytes(self) -> int | None:
        return None


@dataclass(frozen=True, slots=True)
class _Fetching:
    """A result on its way from a CUDA device into pinned memory."""

    tensor: torch.Tensor
    begun: torch.cuda.Event
    ended: torch.cuda.Event
    fetched: torch.cuda.Event

    def wait(self) -> tuple[torch.Tensor, float]:
        self.fetched.synchronize()
        return self.tensor, self.begun.elapsed_time(self.ended) / 1000


class CudaRunner:
    """A CUDA device: bytes go up on one stream, work runs on a second, results come down on a third."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._up, self._work, self._down = (_stream(device) for _ in range(3))
        self._in_flight: deque[torch.cuda.Event] = deque()
        self._lock = threading.Lock()

    def stage(self, batch: torch.Tensor) -> torch.Tensor:
        return batch.pin_memory()

    def run(self, predict: Predict, batch: torch.Tensor) -> Pending:
        with self._lock, torch.cuda.device(self._device):
            while len(self._in_flight) >= IN_FLIGHT:
                self._in_flight.popleft().synchronize()
            begun, ended, fetched = (_event() for _ in range(3))
            result = self._predict(predict, batch, begun, ended)
            with torch.cuda.stream(self._down):
                self._down.wait_event(ended)
                host = torch.empty(result.shape, dtype=result.dtype, pin_memory=True)
                host.copy_(result, non_blocking=True)
                result.record_stream(self._down)
                fetched.record()
            self._in_flight.append(ended)
        return _Fetching(host, begun, ended, fetched)

    def free(self) -> None:
        torch.cuda.synchronize(self._device)
        torch.cuda.empty_cache()

    def half_types(self) -> tuple[torch.dtype, ...]:
        major, _ = torch.cuda.get_device_capability(self._device)
        return (torch.float16, torch.bfloat16) if major >= 8 else (torch.float16,)

    def free_bytes(self) -> int | None:
        return torch.cuda.mem_get_info(self._device)[0]

    def _predict(
        self, predict: Predict, batch: torch.Tensor, begun: torch.cuda.Event, ended: torch.cuda.Event
    ) -> torch.Tensor:
        with torch.cuda.stream(self._up):
            moved = batch.to(self._device, non_blocking=True)
            arrived = self._up.record_event()
        with torch.cuda.stream(self._work):
            self._work.wait_event(arrived)
            moved.record_stream(self._work)
            begun.record()
            result = predict(moved).contiguous()
            ended.record()
        return result


def _stream(device: torch.device) -> torch.cuda.Stream:
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call] # torch declares no types here


def _event() -> torch.cuda.Event:
    return torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call] # torch declares no types here


def busy_share(work: Callable[[], None]) -> float:
    """Share of the time of `work` in which the calling thread was on a core or ready for one, 0 to 1.

    Near 1 for arithmetic on this CPU, however crowded it is; near 0 for waiting on something else.
    """
    before, started = _thread_ns(), time.perf_counter()
    work()
    return (_thread_ns() - before) / 1e9 / max(1e-9, time.perf_counter() - started)


def _thread_ns() -> int:
    """Nanoseconds this thread has run or been ready to run; without the latter where Linux does not tell."""
    try:
        waited = int(Path("/proc/thread-self/schedstat").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        waited = 0
    return time.thread_time_ns() + waited


def runner_for(device: torch.device) -> Runner:
    """The runner of a device."""
    return CudaRunner(device) if device.type == "cuda" else CpuRunner()
