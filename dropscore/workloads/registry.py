"""Name to workload. Ours stand here; others register through the entry point group `dropscore.workloads`."""

from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, cast

from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code
from dropscore.workloads.base import WorkloadDefinition, WorkloadOptions

ENTRY_POINT_GROUP = "dropscore.workloads"

STYLE_TRANSFER = WorkloadDefinition(
    name="style_transfer",
    title="Video and picture style transfer",
    options="dropscore.workloads.style_transfer.options:StyleTransferOptions",
    planner="dropscore.workloads.style_transfer.plan:plan",
    scoring="dropscore.workloads.style_transfer.score:SCORING",
    stitcher="dropscore.workloads.style_transfer.stitch:stitch",
    narrow="dropscore.workloads.style_transfer.narrow:narrow",
    input_kinds=(".mp4", ".mov", ".mkv", ".avi", ".webm", ".jpg", ".jpeg", ".png"),
)

BUILT_IN = (STYLE_TRANSFER,)


@cache
def workloads() -> dict[str, WorkloadDefinition]:
    """All workloads by name. Raises ValueError when two claim one name."""
    known: dict[str, WorkloadDefinition] = {}
    installed = (point.load() for point in entry_points(group=ENTRY_POINT_GROUP))
    for definition in (*BUILT_IN, *installed):
        if definition.name in known:
            raise ValueError(f"two workloads are named {definition.name!r}")
        known[definition.name] = definition
    return known


def workload(name: str) -> WorkloadDefinition:
    """The workload of this name. Raises `FailedError` (E-WORKLOAD-UNKNOWN) that lists the known ones."""
    known = workloads()
    if name not in known:
        listed = ", ".join(sorted(known))
        raise FailedError.of(Code.WORKLOAD_UNKNOWN, f"workload {name!r} is unknown; known: {listed}", field="workload")
    return known[name]


def options_type(definition: WorkloadDefinition) -> type[WorkloadOptions]:
    """The options contract of a workload."""
    return cast("type[WorkloadOptions]", resolve(definition.options))


def resolve(reference: str) -> Any:
    """Import `module:attribute`."""
    module, _, attribute = reference.partition(":")
    return getattr(import_module(module), attribute)
