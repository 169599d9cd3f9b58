"""What can be asked for."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from dropscore.workloads.base import WorkloadOptions


class OnMissing(StrEnum):
    """What becomes of an output in which items are missing."""

    GAPS = "gaps"
    FAIL = "fail"


class LinesOptions(WorkloadOptions):
    """Attributes:
    shard_items: items of a shard.
    item_ms: mean time that an item takes, in milliseconds, on no processor.
    uneven: whether items take from half to one and a half times that, each always the same.
    one_at_a_time: whether a process scores one item at a time, as on a small device.
    hang_s: how long an item hangs that hangs.
    salt: stands for the model: another one gives other results.
    journal: folder of what was done, on this machine; nothing is written without it.
    """

    shard_items: Annotated[int, Field(ge=1, le=10_000)] = 5
    item_ms: Annotated[float, Field(ge=0, le=10_000)] = 2.0
    uneven: bool = False
    one_at_a_time: bool = False
    hang_s: Annotated[float, Field(ge=0, le=86_400)] = 600.0
    salt: str = "1"
    journal: str | None = None
    on_missing: OnMissing = OnMissing.GAPS
