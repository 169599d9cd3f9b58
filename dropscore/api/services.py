"""What the API works with."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from dropscore.api.callers import Callers, HostKeys
from dropscore.api.insight.insight import Insight
from dropscore.api.starting import Starter
from dropscore.cloud.courier import Courier
from dropscore.cloud.https_courier import HttpsCourier
from dropscore.cloud.ports import Cloud, Orchestrations
from dropscore.contracts.base import Json
from dropscore.contracts.reading import Refusal
from dropscore.contracts.request import RunRequest
from dropscore.contracts.run import RunState
from dropscore.contracts.sweep import SweepReport


class Workloads(Protocol):
    """What can be scored."""

    def problems(self, request: RunRequest) -> Refusal:
        """What is wrong with a request that can be seen without looking at storage; empty when nothing is."""

    def describe(self) -> list[dict[str, Json]]:
        """Every workload with the JSON Schema of its options."""


class Control(Protocol):
    """What can be done to a run that is there. Each may be asked for twice."""

    def suspend(self, run_id: str, reason: str) -> RunState:
        """Begin nothing new for a run."""

    def resume(self, run_id: str) -> RunState:
        """Let a suspended run go on."""

    def rewind(self, run_id: str) -> RunState:
        """Let a failed run begin again, but for its orchestration."""

    def is_cleaned(self, run_id: str) -> bool:
        """Whether nothing is left to clean up after a run that has ended."""

    def replay_under_way(self, run_id: str) -> str | None:
        """The id of a run that replays this one and has not ended."""

    def delete(self, run_id: str) -> bool:
        """Delete an ended run, as much as there is time for; False when something is left for the sweep."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageOptions:
    """How the page is shown. `media_origin` is where a browser reads outputs from (scheme, host and port)."""

    read_only: bool = False
    """Whether the page only shows, whatever its reader may do through the API."""
    media_origin: str | None = None


type SweepOnce = Callable[[Orchestrations], Awaitable[SweepReport | None]]
"""Sweeps once; None when somebody else is at it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What a request is answered with."""

    cloud: Cloud
    starter: Starter
    workloads: Workloads
    control: Control
    sweep: SweepOnce
    insight: Insight
    callers: Callers = field(default_factory=HostKeys)
    page: PageOptions = PageOptions()
    courier: Courier = field(default_factory=HttpsCourier)
