"""Which operations of the API the connector offers, and how a person who builds a workflow reads of each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

INTERNAL, IMPORTANT, ADVANCED = "internal", "important", "advanced"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One operation of the connector, made of one of the API."""

    operation: str
    """Its id in the API."""
    id: str = ""
    """Its id in the connector, where it is not the API's."""
    summary: str
    description: str
    visibility: str = ""
    """`important`, `advanced`, `internal`, or empty for neither."""
    event: str | None = None
    """For a trigger: the event, which is part of the path."""
    hint: str | None = None
    """For a trigger: what makes it fire, for whoever tries it."""
    next_link: str | None = None
    """For a list by pages: the property with the address of the next page."""
    followed: bool = False
    """Whether workflows follow its `Location`, so that it also answers 200."""
    hidden: frozenset[str] = field(default_factory=frozenset)
    """Parameters that a workflow has no use for."""

    @property
    def name(self) -> str:
        """Its id in the connector."""
        return self.id or self.operation


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Where the values of a parameter or property come from: a list that another operation answers with."""

    operation: str
    collection: str
    value: str
    title: str


CHOICES: Final[Mapping[str, Choice]] = {
    "workload": Choice(operation="ListWorkloads", collection="workloads", value="name", title="title"),
    "model": Choice(operation="ListModels", collection="models", value="name", title="name"),
}
"""By the name of a parameter, or of a property of a body."""

OPTIONS_FORM: Final = ("GetWorkloadOptions", "name", "workload", "options")
"""The form for a request's options: the operation, its parameter, the property that gives it, where the schema lies."""

ACTIONS: Final = (
    Offer(
        operation="StartRun",
        summary="Start a run",
        description="Starts scoring files that are in storage and goes on at once; wait for the end with another step.",
        visibility=IMPORTANT,
        followed=True,
        hidden=frozenset({"follow"}),
    ),
    Offer(
        operation="GetOperation",
        summary="Wait for a run",
        description="Waits until a run has ended, however long that takes, and gives its result with links to outputs.",
        visibility=IMPORTANT,
    ),
    Offer(
        operation="GetRun",
        summary="Get a run",
        description="Tells how a run stands now: its status, its progress and what it is waiting for.",
    ),
    Offer(
        operation="ListOutputs",
        summary="Get results",
        description="Lists the outputs and the report of a run, with links that need no key for some minutes.",
        hidden=frozenset({"after"}),
    ),
    Offer(
        operation="ListRuns",
        summary="List runs",
        description="Lists runs, newest first, of one status or workload if wanted.",
        next_link="next_link",
        hidden=frozenset({"after"}),
    ),
    Offer(
        operation="CancelRun",
        summary="Cancel a run",
        description="Ends a run, so that nothing of it keeps running or costing; asking twice is asking once.",
        followed=True,
    ),
    Offer(
        operation="ReplayRun",
        summary="Replay a run",
        description="Scores what failed in an ended run again, in a new run that keeps the good results.",
        followed=True,
    ),
)
TRIGGERS: Final = (
    Offer(
        operation="SubscribeToEvent",
        id="WhenRunFinishes",
        summary="When a run finishes",
        description="Starts the workflow when a run has ended, whether it succeeded, failed or was cancelled.",
        visibility=IMPORTANT,
        event="run.finished",
        hint="To see it work now, start a run of one small picture.",
    ),
    Offer(
        operation="SubscribeToEvent",
        id="WhenItemsAreQuarantined",
        summary="When items are quarantined",
        description="Starts the workflow when items of a run have failed for good and can be replayed.",
        event="items.quarantined",
        hint="To see it work now, start a run of a damaged picture.",
    ),
)
INTERNALS: Final = (
    Offer(
        operation="ListWorkloads",
        summary="List workloads",
        description="Fills the list of workloads to choose from.",
        visibility=INTERNAL,
    ),
    Offer(
        operation="GetWorkloadOptions",
        summary="Get the options of a workload",
        description="Makes the form for the options of the workload that was chosen.",
        visibility=INTERNAL,
    ),
    Offer(
        operation="ListModels",
        summary="List models",
        description="Fills the list of models to choose from.",
        visibility=INTERNAL,
    ),
    Offer(
        operation="DeleteWebhook",
        summary="Delete a webhook",
        description="Ends the subscription of a workflow that is switched off or deleted.",
        visibility=INTERNAL,
    ),
)
OFFERS: Final = ACTIONS + TRIGGERS + INTERNALS
