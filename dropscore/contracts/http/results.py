"""What came of a run, in one answer: what a caller gets who waits for its end."""

from typing import Annotated

from pydantic import Field

from dropscore.contracts.base import Contract, Count, Json, RunId
from dropscore.contracts.failures import Failure
from dropscore.contracts.http.files import OutputDocument
from dropscore.contracts.run import RunStatus


class RunResult(Contract):
    """What came of a run; while it is under way, how far it is."""

    run_id: RunId
    status: RunStatus
    ended: bool
    """Whether the run is over."""
    succeeded: bool
    """Whether it has outputs, with or without gaps."""
    workload: str | None = None
    percent: Annotated[float, Field(ge=0, le=100)] = 0.0
    """Share of its items that are settled."""
    items_total: Count = 0
    items_done: Count = 0
    items_failed: Count = 0
    failure: Failure | None = None
    """Why it has no outputs."""
    outputs: tuple[OutputDocument, ...] = ()
    """What it has published, each with a link that needs no key for a few minutes."""
    more: bool = False
    """Whether there are more outputs than these; ask for the outputs to have them all."""
    report: str | None = None
    """A link to the report as a page, likewise."""
    expires_at: str | None = None
    """When the links end; ask again for new ones."""
    run: str
    """The address of the run, below the host."""


class OptionsSchema(Contract):
    """The options of one workload as a JSON Schema without references, alternatives or nulls, for forms."""

    workload: str
    options: dict[str, Json]
