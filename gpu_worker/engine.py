"""Owns the device: runs scorers on it under their profile, in batches that fit.

The same batch of the same shard is always computed by the same arithmetic: one torch thread for each lane, batches
cut inside a shard, precision and layout from the stored profile. How many lanes there are changes no bit.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import torch

from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code
from dropscore.contracts.measured import ExecutionProfile, Precision
from dropscore.workloads.base import Scorer
from gpu_worker.causes import is_out_of_memory, trace_of
from gpu_worker.device import Device
from gpu_worker.job import Batch, Pending
from gpu_worker.loaded import Loaded, item_bytes
from gpu_worker.runner import Runner

log = logging.getLogger(__name__)

DTYPES = {
    Precision.FLOAT32: torch.float32,
    Precision.BFLOAT16: torch.bfloat16,
    Precision.FLOAT16: torch.float16,
}
PRECISIONS = {dtype: precision for precision, dtype in DTYPES.items()}

type Check = Callable[[], None]


class Engine:
    """One device. `predict` may be called by as many threads as it has lanes."""

    def __init__(self, device: Device, runner: Runner) -> None:
        self.device = device
        self._runner = runner
        self._local = threading.local()
        self._safe: dict[tuple[str, int], int] = {}
        """Largest batch known to fit, by model and bytes of an item, where the profile's did not."""

    def checkpoint(self) -> None:
        """What scorers call during a long `predict`: raises when the shard of this thread is to stop."""
        check: Check | None = getattr(self._local, "check", None)
        if check is not None:
            check()

    def batch_size(self, model: Loaded, size: int) -> int:
        """Items of `size` bytes to predict together: the profile's number, less where that was too much; 1 where order
        matters.
        """
        if not model.independent:
            return 1
        return min(model.profile.batch_for(size), self._safe.get((model.key, size), 1024))

    def stage(self, batch: torch.Tensor) -> torch.Tensor:
        """Make a batch ready to be moved to the device."""
        return self._runner.stage(batch)

    def predict(self, model: Loaded, scorer: Scorer, batch: Batch, *, check: Check) -> Pending:
        """Predict a batch; one that is too large for the device is halved until it fits, and that is remembered.

        Raises `FailedError` (E-OUT-OF-MEMORY) when not even one item fits, whatever `check` raises, and whatever
        the scorer raises.
        """
        memory_key = (model.key, item_bytes(batch.items[0]))
        while True:
            size = min(len(batch.items), self._safe.get(memory_key, len(batch.items)))
            try:
                return self._try(model.profile, scorer, batch.tensor, size, check)
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                trace = trace_of(error)
            self._runner.free()
            if size == 1:
                raise FailedError.of(Code.OUT_OF_MEMORY, detail=trace)
            self._safe[memory_key] = size // 2
            log.warning(
                "A batch of %d did not fit; going on with %d.", size, size // 2, extra={"action": "batch_halved"}
            )

    def run(self, profile: ExecutionProfile, scorer: Scorer, batch: torch.Tensor, *, check: Check) -> Pending:
        """Predict a batch as it is, for the probe."""
        return self._try(profile, scorer, batch, len(batch), check)

    def require_finite(self, result: Any, items: Sequence[int]) -> None:
        """Raise `FailedError` (E-OUTPUT-INVALID), with `item` set, for the first result that holds NaN or an infinity.

        `result` is (N, ...), one row for each of `items`.
        """
        if not isinstance(result, torch.Tensor) or not result.is_floating_point() or result.isfinite().all():
            return
        good = result.isfinite().reshape(len(items), -1).all(dim=1).tolist()
        raise FailedError.of(Code.OUTPUT_INVALID, item=items[good.index(False)])

    def free(self) -> None:
        """Hand cached memory back to the device."""
        self._runner.free()

    def _try(self, profile: ExecutionProfile, scorer: Scorer, batch: torch.Tensor, size: int, check: Check) -> Pending:
        def predict(moved: torch.Tensor) -> torch.Tensor:
            with torch.inference_mode():
                if size >= len(moved):
                    return scorer.predict(moved)
                return torch.cat([scorer.predict(part) for part in torch.split(moved, size)])

        with self._checking(check), self._precision(profile):
            return self._runner.run(predict, batch)

    def _precision(self, profile: ExecutionProfile) -> Any:
        if profile.precision is Precision.FLOAT32:
            return nullcontext()
        return torch.autocast(self.device.torch_device.type, dtype=DTYPES[profile.precision])

    @contextmanager
    def _checking(self, check: Check) -> Iterator[None]:
        self._local.check = check
        try:
            yield
        finally:
            self._local.check = None
