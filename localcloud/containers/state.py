"""Container groups as the emulator knows them: immutable, with their transitions as pure methods."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from localcloud.containers.bodies import Container, GroupBody, RestartPolicy


class ContainerPhase(StrEnum):
    """Where a container stands."""

    WAITING = "Waiting"
    RUNNING = "Running"
    TERMINATED = "Terminated"


CREATING = "Creating"
"""Detail of a waiting container whose program is being started."""


class GroupPhase(StrEnum):
    """Where a group stands, as its containers say."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    STOPPED = "Stopped"


class Wish(StrEnum):
    """What the user wants of a group."""

    RUN = "run"
    STOP = "stop"
    DELETE = "delete"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to a container, once or several times."""

    name: str
    message: str
    first_at: datetime
    last_at: datetime
    count: int = 1
    type: str = "Normal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A container's state at one time."""

    phase: ContainerPhase = ContainerPhase.WAITING
    started_at: datetime | None = None
    finished_at: datetime | None = None
    exit_code: int | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerRun:
    """How a container has run so far."""

    name: str
    current: Moment = field(default_factory=Moment)
    previous: Moment | None = None
    restarts: int = 0
    events: tuple[Event, ...] = ()

    def told(self, at: datetime, name: str, message: str, *, warning: bool = False) -> "ContainerRun":
        """With one more event; the same one again is counted."""
        kind = "Warning" if warning else "Normal"
        for index, event in enumerate(self.events):
            if (event.name, event.message) == (name, message):
                again = replace(event, count=event.count + 1, last_at=at)
                return replace(self, events=(*self.events[:index], again, *self.events[index + 1 :]))
        event = Event(name=name, message=message, first_at=at, last_at=at, type=kind)
        return replace(self, events=(*self.events, event))

    def creating(self) -> "ContainerRun":
        """About to be started: from now on its program may have run."""
        return replace(self, current=Moment(detail=CREATING))

    @property
    def may_have_run(self) -> bool:
        """Whether its program runs, or may have been started without anybody knowing."""
        return self.current.phase is ContainerPhase.RUNNING or self.current.detail == CREATING

    def started(self, at: datetime) -> "ContainerRun":
        """Running."""
        return replace(self, current=Moment(phase=ContainerPhase.RUNNING, started_at=at))

    def terminated(self, at: datetime, exit_code: int) -> "ContainerRun":
        """Ended with an exit code."""
        moment = Moment(
            phase=ContainerPhase.TERMINATED,
            started_at=self.current.started_at,
            finished_at=at,
            exit_code=exit_code,
            detail="Completed" if exit_code == 0 else "Error",
        )
        return replace(self, current=moment)

    def waiting(self, detail: str) -> "ContainerRun":
        """About to be started again."""
        moment = Moment(detail=detail)
        return replace(self, current=moment, previous=self.current, restarts=self.restarts + 1)

    def anew(self) -> "ContainerRun":
        """As before its first start, but for what happened."""
        previous = self.current if self.current.phase is ContainerPhase.TERMINATED else self.previous
        return replace(self, current=Moment(), previous=previous)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A container group."""

    subscription: str
    resource_group: str
    name: str
    body: GroupBody
    created_at: datetime
    runs: tuple[ContainerRun, ...]
    wish: Wish = Wish.RUN

    @property
    def key(self) -> str:
        """Unique among all groups."""
        return group_key(self.subscription, self.resource_group, self.name)

    @property
    def id(self) -> str:
        """The resource id."""
        return (
            f"/subscriptions/{self.subscription}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.ContainerInstance/containerGroups/{self.name}"
        )

    @property
    def restart_policy(self) -> RestartPolicy:
        return self.body.properties.restart_policy or RestartPolicy.ALWAYS

    @property
    def location(self) -> str:
        return self.body.location or "local"

    @property
    def phase(self) -> GroupPhase:
        """What its containers add up to."""
        phases = {run.current.phase for run in self.runs}
        if ContainerPhase.RUNNING in phases:
            return GroupPhase.RUNNING
        if self.wish is Wish.STOP:
            return GroupPhase.STOPPED
        if ContainerPhase.WAITING in phases:
            return GroupPhase.PENDING
        ok = all(run.current.exit_code == 0 for run in self.runs)
        return GroupPhase.SUCCEEDED if ok else GroupPhase.FAILED

    def container(self, name: str) -> Container | None:
        """The definition of a container, or None."""
        return next((item for item in self.body.properties.containers if item.name == name.lower()), None)

    def run(self, name: str) -> ContainerRun:
        """The run of one of its containers."""
        return next(run for run in self.runs if run.name == name)

    def with_run(self, changed: ContainerRun) -> "Group":
        """With one container's run replaced."""
        return replace(self, runs=tuple(changed if run.name == changed.name else run for run in self.runs))


def group_key(subscription: str, resource_group: str, name: str) -> str:
    """The key of a group among all groups."""
    return f"{subscription}/{resource_group}/{name}"


def starts_again(policy: RestartPolicy, exit_code: int) -> bool:
    """Whether a container that ended with this code is started again."""
    return policy is RestartPolicy.ALWAYS or (policy is RestartPolicy.ON_FAILURE and exit_code != 0)
