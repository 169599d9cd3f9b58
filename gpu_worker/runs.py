"""What a shard belongs to: the run as admitted, its workload and inputs, and whether it was stopped."""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

from dropscore.cloud.input_files import BlobInputFiles
from dropscore.cloud.ports import BlobStore, Clock
from dropscore.contracts import layout
from dropscore.contracts.codec import decode
from dropscore.contracts.errors import DropscoreError, FailedError, NotFoundError
from dropscore.contracts.failures import Code
from dropscore.contracts.layout import BlobPath
from dropscore.contracts.plan import Piece, ShardSpec
from dropscore.contracts.request import AdmittedRun, InputRef
from dropscore.workloads.base import Narrow, Scoring, WorkloadDefinition, WorkloadOptions
from dropscore.workloads.registry import options_type, resolve

log = logging.getLogger(__name__)

CANCEL_CHECK_S = 2.0
"""Longest age of what is known about a run's marks."""
RUNS_KEPT = 16
MARKS_KEPT = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContext:
    """A run, read once: everything its shards have in common."""

    run: AdmittedRun
    options: WorkloadOptions
    scoring: Scoring
    inputs: BlobInputFiles
    narrow: Narrow | None = None
    """None when shards of this workload are not divided."""
    extra_versions: tuple[str, ...]
    """Name and version of each further input that the options refer to: another picture is another model."""

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.run.run_id

    def narrowed(self, shard: ShardSpec, piece: Piece) -> ShardSpec:
        """The shard of these items only.

        Raises `FailedError`: E-MESSAGE-MALFORMED when the workload knows no pieces, and what reading the inputs
        raises.
        """
        if piece == Piece.of(shard):
            return shard
        if self.narrow is None:
            raise FailedError.of(Code.MESSAGE_MALFORMED, f"shards of {self.run.workload} have no pieces")
        return self.narrow(shard, piece, self.options, self.inputs)


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
        named = dict(zip(options.extra_inputs, run.extra_inputs, strict=False))  # none for a run of an older version
        return RunContext(
            run=run,
            options=options,
            scoring=resolve(definition.scoring),
            inputs=self._open_inputs(run_id).holding(named),
            narrow=resolve(definition.narrow) if definition.narrow else None,
            extra_versions=tuple(self._version(name, named.get(name)) for name in options.extra_inputs),
        )

    def _version(self, name: str, ref: InputRef | None) -> str:
        if ref is not None:
            return f"{ref.name} {ref.etag}"
        info = self._blobs.head(layout.input_file(name))
        return f"{name} {info.etag if info else 'missing'}"


@dataclass(slots=True)
class _Mark:
    checked_at: float = float("-inf")
    there: bool = False
    asking: threading.Lock = field(default_factory=threading.Lock)
    coming: Future[bool] | None = None
    """The answer to the question that is not asked yet."""


class CancelMarks:
    """Whether runs were cancelled or suspended, asked of storage at most every `CANCEL_CHECK_S` for each. Thread-safe.

    A mark that was seen is asked for again, too: a run is resumed, and a failed one can be rewound. While storage does
    not answer, a run counts as it did before.
    """

    def __init__(self, blobs: BlobStore, clock: Clock) -> None:
        self._blobs = blobs
        self._clock = clock
        self._lock = threading.Lock()
        self._marks: OrderedDict[BlobPath, _Mark] = OrderedDict()

    def cancelled(self, run_id: str) -> bool:
        """Whether the run's cancel mark exists: whoever works for it stops."""
        return self._exists(layout.cancel_mark(run_id))

    def cancelled_by_now(self, run_id: str) -> bool:
        """The same, asked anew whatever is known: before something is committed for the run. Those who ask while an
        answer is awaited share the question that comes after it.
        """
        path = layout.cancel_mark(run_id)
        with self._lock:
            mark = self._mark(path)
            ours = mark.coming is None
            coming = mark.coming = mark.coming or Future[bool]()
        if not ours:
            return coming.result()
        with mark.asking:
            with self._lock:
                mark.coming = None
            try:
                coming.set_result(self._exists(path, age_s=0.0))
            except BaseException as error:  # noqa: BLE001 - raised by all who wait for it
                coming.set_exception(error)
        return coming.result()

    def suspended(self, run_id: str) -> bool:
        """Whether the run's suspend mark exists: nothing new is begun for it. That it does is always asked anew: once
        it is gone, the run's shards are sent again, and none of those may be dropped.
        """
        return self._exists(layout.suspend_mark(run_id), believe=False)

    def _exists(self, path: BlobPath, *, age_s: float = CANCEL_CHECK_S, believe: bool = True) -> bool:
        """Whether a mark exists, or did so less than `age_s` ago; `believe`: also that it did."""
        now = self._clock.monotonic()
        with self._lock:
            mark = self._mark(path)
            if now - mark.checked_at < age_s and (believe or not mark.there):
                return mark.there
            mark.checked_at = now
        try:
            mark.there = self._blobs.head(path) is not None
        except DropscoreError as error:
            log.warning("Cannot see whether a run is to stop: %s", error, extra={"mark": str(path)})
        return mark.there

    def _mark(self, path: BlobPath) -> _Mark:
        """What is known of a mark. Called with the lock held."""
        mark = self._marks.setdefault(path, _Mark())
        while len(self._marks) > MARKS_KEPT:
            self._marks.popitem(last=False)
        return mark
