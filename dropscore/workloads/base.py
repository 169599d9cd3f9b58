"""What a workload is: three verbs over files and specs (plan, score, stitch), plus typed options.

Pure of any cloud: inputs arrive as seekable binary files, outputs leave as files. The worker owns leases,
storage, batching, the device, precision, timings and retries; a scorer owns only its science.

    plan      probe the inputs, cut their items into shards            (container, no torch)
    score     open a shard's source, run items through the scorer, write its part   (GPU worker)
    stitch    put the parts together                                    (container, no torch)
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol, runtime_checkable

from dropscore.contracts.base import Contract, Json
from dropscore.contracts.failures import Failure
from dropscore.contracts.package import ModelPackage
from dropscore.contracts.plan import InputSummary, Piece, PlanIndex, ShardSpec
from dropscore.contracts.receipt import OutputFile
from dropscore.contracts.request import InputRef
from dropscore.contracts.verdict import PieceResult

if TYPE_CHECKING:
    import torch


class WorkloadOptions(Contract):
    """The base of every workload's options: typed, defaulted, refused when unknown."""

    @property
    def default_model(self) -> str | None:
        """`name@alias` used when a request names no model; None when these options need no package."""
        return None

    @property
    def extra_inputs(self) -> tuple[str, ...]:
        """Blob names in the container `inputs` that the options refer to; admission checks that they exist."""
        return ()


type Binary = IO[bytes]
"""A seekable binary file. It has no name: a decoder must not learn a path or an address from it."""


class InputFiles(Protocol):
    """The inputs of a run, by line of `inputs.jsonl`."""

    @property
    def refs(self) -> Sequence[InputRef]:
        """The inputs, in order."""

    def open(self, input_index: int) -> Binary:
        """Open one input. Reads raise `FailedError` (E-INPUT-CHANGED) when it is no longer the admitted version."""

    def open_named(self, name: str) -> Binary:
        """Open another blob of the container `inputs`, such as a style picture named in the options."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast shards go, measured by earlier runs or assumed (`measured` False).

    `setup_s` is the cost of one shard besides its items, in seconds; `megapixel_s` the seconds one worker lane
    needs for a million pixels; `lanes` how many shards are scored at once over all workers.
    """

    setup_s: float
    megapixel_s: float
    lanes: int
    measured: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRequest:
    """What a planner gets."""

    run_id: str
    options: WorkloadOptions
    inputs: InputFiles
    pace: Pace
    target_shard_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a planner gives: shards in output order, ids from 0 on without gaps."""

    shards: tuple[ShardSpec, ...]
    inputs: tuple[InputSummary, ...]
    refused: tuple[Failure, ...]
    facts: Mapping[str, Json]
    shard_items: int
    reason: str


@dataclass(slots=True)
class Item:
    """One item on its way through the worker.

    `pixels` is (H, W, 3) RGB uint8 for pictures and frames. `index` is 0-based over the whole run. `context` is
    the workload's own, carried from source to sink (timestamps, names). `fresh` says that nothing before this item
    may influence its result, as if a shard began here: no batch reaches across it, and `Scorer.begin` is called.
    """

    index: int
    pixels: Any
    context: Any = None
    decode_s: float = 0.0
    fresh: bool = False


class Sink(Protocol):
    """Takes results in order and makes the part."""

    def write(self, item: Item, result: Any) -> None:
        """Add one result; (H, W, 3) RGB uint8 for pictures and frames."""

    def close(self) -> "PartFile":
        """Finish the part."""

    def abort(self) -> None:
        """Throw away what was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartFile:
    """A finished part. `suffix` has no dot; the same shard, options and model give the same bytes."""

    data: bytes
    suffix: str
    media_type: str
    metrics: Mapping[str, Json] = field(default_factory=dict)


class Scorer(Protocol):
    """A model made ready on a device. Stateless between shards; `begin` marks a new one.

    Several shards may be under way at once: each is scored on a shallow copy (`copy.copy`) of the scorer, so that
    the weights are shared. What is kept from batch to batch of a shard must be attributes that are assigned
    (never changed in place), beginning with `begin`. The batches of a shard come in order, one at a time,
    unless the scorer is `Independent`.
    """

    def begin(self, shard: ShardSpec) -> None:
        """A new shard starts, or an item of it that is `fresh`: forget what was kept of the items before."""

    def preprocess(self, items: Sequence[Item]) -> "torch.Tensor":
        """Stack items into one tensor on the host: (N, H, W, C) uint8, so that the link carries bytes."""

    def predict(self, batch: "torch.Tensor") -> "torch.Tensor":
        """Score a batch on the device: from what `preprocess` gave, moved there, to a result ready to fetch,
        (N, H, W, C) uint8 for pictures. Runs under the engine's inference mode and precision.
        """

    def postprocess(self, result: "torch.Tensor", items: Sequence[Item]) -> Sequence[Any]:
        """Take one result for each item out of the fetched tensor."""

    @property
    def memory_bytes(self) -> int:
        """Bytes of weights on the device."""


@runtime_checkable
class Independent(Protocol):
    """A scorer that can say that its batches do not depend on each other."""

    @property
    def independent(self) -> bool:
        """Whether a batch's result depends on that batch alone. Then several lanes may score one shard together,
        calling `predict` from several threads at once.
        """


def _no_check() -> None:
    """Nothing asks the work to stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadRequest:
    """What a scorer is built from. `files` maps the package's file names to their verified bytes."""

    package: ModelPackage | None
    files: Mapping[str, bytes]
    options: WorkloadOptions
    inputs: InputFiles
    device: "torch.device"
    dtype: "torch.dtype"
    channels_last: bool
    checkpoint: Callable[[], None] = _no_check
    """To be called every second or so by a `predict` that takes longer, from the thread it runs in: it raises
    when the work is to stop (cancelled, lease lost, worker leaving). Let what it raises pass."""


class Scoring(Protocol):
    """The worker's side of a workload: the object named by `WorkloadDefinition.scoring`."""

    def model_key(self, options: WorkloadOptions) -> str:
        """What besides the package decides the loaded model (such as a style picture): part of the cache's key."""

    def load(self, request: LoadRequest) -> Scorer:
        """Build the scorer on the device. Called once for each model in the cache, never for each shard."""

    def open_source(self, shard: ShardSpec, options: WorkloadOptions, inputs: InputFiles) -> Iterator[Item]:
        """Decode a shard's items in order.

        A bad item raises `FailedError` with `item` set, several that fall together with `last_item` set too. Bad
        input without an item means that all of the shard is bad: it is not looked for the guilty item then.
        """

    def open_sink(self, shard: ShardSpec, options: WorkloadOptions) -> Sink:
        """Start the part of a shard."""


type Narrow = Callable[[ShardSpec, Piece, WorkloadOptions, InputFiles], ShardSpec]
"""The function named by `WorkloadDefinition.narrow`: the shard of these items only."""


class Parts(Protocol):
    """Parts and verdicts of a run, for the stitcher."""

    def verdict(self, shard: ShardSpec) -> PieceResult:
        """How one of `StitchRequest.shards` ended: done or failed."""

    def open(self, shard: ShardSpec) -> Binary:
        """The part of one that is done, its digest checked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StitchRequest:
    """What a stitcher gets. It writes its output files below `folder`.

    `shards` gives the plan's shards in the order of their items. One that was divided comes as its pieces, each a
    spec of the same `shard_id` with its own items and work.
    """

    run_id: str
    options: WorkloadOptions
    inputs: InputFiles
    plan: PlanIndex
    shards: Callable[[], Iterator[ShardSpec]]
    parts: Parts
    folder: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A small picture for the report: JPEG bytes, its caption and the item it shows."""

    jpeg: bytes
    caption: str
    item: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stitched:
    """What a stitcher gives. `outputs` name files below the folder; `before` and `after` make the contact sheet."""

    outputs: tuple[OutputFile, ...]
    items_published: int
    items_missing: int = 0
    notes: tuple[str, ...] = ()
    metrics: Mapping[str, Json] = field(default_factory=dict)
    before: tuple[Picture, ...] = ()
    after: tuple[Picture, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadDefinition:
    """One line of the registry. The strings are `module:attribute`, imported when first needed, so that the
    Function app can know every workload without importing numpy, a media library or torch.

    Attributes:
        options: a `WorkloadOptions` subclass.
        planner: a function `(PlanRequest) -> Plan`.
        scoring: a `Scoring` object.
        stitcher: a function `(StitchRequest) -> Stitched`.
        narrow: a function `(ShardSpec, Piece, WorkloadOptions, InputFiles) -> ShardSpec`, which describes some of a
            shard's items as a shard of the same id, with the `work` for just these. Worker and stitcher call it.
            Without one a shard is not divided: an item that cannot be scored takes its whole shard along.
    """

    name: str
    title: str
    options: str
    planner: str
    scoring: str
    stitcher: str
    narrow: str | None = None
    input_kinds: tuple[str, ...] = ()
    """File suffixes this workload reads, for messages and pickers."""
