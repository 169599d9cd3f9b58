"""What a shard belongs to: the run as admitted, its workload and inputs, and whether it was cancelled."""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

from dropscore.cloud.input_files import BlobInputFiles
from dropscore.cloud.ports import BlobStore, Clock
from dropscore.contracts import layout
from dropscore.contracts.codec import decode
from dropscore.contracts.errors import FailedError, NotFoundError, TransientCloudError
from dropscore.contracts.failures import Code
from dropscore.contracts.request import AdmittedRun
from dropscore.workloads.base import Scoring, WorkloadDefinition, WorkloadOptions
from dropscore.workloads.registry import options_type, resolve

log = logging.getLogger(__name__)

CANCEL_CHECK_S = 2.0
"""Longest age of what is known about a run's cancel mark."""
RUNS_KEPT = 16
MARKS_KEPT = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContext:
    """A run, read once: everything its shards have in common."""

    run: AdmittedRun
    options: WorkloadOptions
    scoring: Scoring
    inputs: BlobInputFiles
    extra_versions: tuple[str, ...]
    """Name and version of each further input that the options refer to: another picture is another model."""

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.run.run_id


type OpenInputs = Callable[[str], BlobInputFiles]
type FindWorkload = Callable[[str], WorkloadDefinition]


class Runs:
    """The runs this worker has shards of, each read once. Thread-safe; one reader at a time for each run."""

    def __init__(self, blobs: BlobStore, *, open_inputs: OpenInputs, find_workload: FindWorkload) -> None:
        self._blobs = blobs
        self._open_inputs = open_inputs
        self._find_workload = find_workload
        self._lock = threading.Lock()
        self._known: OrderedDict[str, Future[RunContext]] = OrderedDict()

    def context(self, run_id: str) -> RunContext:
        """The context of a run, from storage the first time.

        Raises `FailedError` (E-MESSAGE-MALFORMED) when there is no such run; a failure is not remembered.
        """
        with self._lock:
            known = self._known.get(run_id)
            if known is not None:
                self._known.move_to_end(run_id)
            else:
                reading = self._known[run_id] = Future[RunContext]()
                while len(self._known) > RUNS_KEPT:
                    self._known.popitem(last=False)
        if known is not None:
            return known.result()
        try:
            reading.set_result(self._read(run_id))
        except BaseException as error:
            with self._lock:
                self._known.pop(run_id, None)
            reading.set_exception(error)
            raise
        return reading.result()

    def _read(self, run_id: str) -> RunContext:
        try:
            run = decode(AdmittedRun, self._blobs.get(layout.admission(run_id)).data)
        except NotFoundError as error:
            raise FailedError.of(Code.MESSAGE_MALFORMED, f"there is no run {run_id}: {error}") from error
        definition = self._find_workload(run.workload)
        options = decode(options_type(definition), run.options)
        log.info("Reads a run.", extra={"run_id": run_id, "action": "run_read", "workload": run.workload})
        return RunContext(
            run=run,
            options=options,
            scoring=resolve(definition.scoring),
            inputs=self._open_inputs(run_id),
            extra_versions=tuple(self._version(name) for name in options.extra_inputs),
        )

    def _version(self, name: str) -> str:
        info = self._blobs.head(layout.input_file(name))
        return f"{name} {info.etag if info else 'missing'}"


@dataclass(slots=True)
class _Mark:
    checked_at: float
    cancelled: bool


class CancelMarks:
    """Whether runs were cancelled, asked of storage at most every `CANCEL_CHECK_S` for each. Thread-safe."""

    def __init__(self, blobs: BlobStore, clock: Clock) -> None:
        self._blobs = blobs
        self._clock = clock
        self._lock = threading.Lock()
        self._marks: OrderedDict[str, _Mark] = OrderedDict()

    def cancelled(self, run_id: str) -> bool:
        """Whether the run's cancel mark exists. One that was seen is never asked for again; while storage does not
        answer, the run counts as it did before.
        """
        now = self._clock.monotonic()
        with self._lock:
            mark = self._marks.setdefault(run_id, _Mark(float("-inf"), False))
            while len(self._marks) > MARKS_KEPT:
                self._marks.popitem(last=False)
            if mark.cancelled or now - mark.checked_at < CANCEL_CHECK_S:
                return mark.cancelled
            mark.checked_at = now
        try:
            mark.cancelled = self._blobs.head(layout.cancel_mark(run_id)) is not None
        except TransientCloudError as error:
            log.warning("Cannot see whether a run was cancelled: %s", error, extra={"run_id": run_id})
        return mark.cancelled
