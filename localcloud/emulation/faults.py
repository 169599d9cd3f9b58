"""A seeded script of faults: which event of an emulator meets which fault, repeatable from one integer.

    {"seed": 7, "rules": [
        {"on": "task_started", "match": "worker-*", "do": "evict", "after_s": [0.5, 3.0], "times": 4},
        {"on": "request", "match": "POST /jobs*", "do": "answer", "status": 503, "code": "ServerBusy", "chance": 0.2}]}

Each rule draws from its own generator, so what one rule does is not changed by another, nor by the order in which
different events happen. An emulator asks at each of its events; which it knows stands in its own documentation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from random import Random
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class FaultEvent(StrEnum):
    """Where an emulator asks for faults. What `match` is compared with stands beside each."""

    REQUEST = "request"
    """A request arrived: "METHOD /path"."""
    NODE_ALLOCATING = "node_allocating"
    """A Batch node is about to be created: its pool's id."""
    NODE_READY = "node_ready"
    """A Batch node became idle after it started: its id."""
    TASK_STARTED = "task_started"
    """A Batch task's program was started: the task's id."""
    GROUP_CREATING = "group_creating"
    """A container group is about to be created: its name."""
    CONTAINER_STARTING = "container_starting"
    """A container's image is about to be pulled: the container's name."""
    CONTAINER_STARTED = "container_started"
    """A container's program was started: the container's name."""


class FaultKind(StrEnum):
    """What goes wrong."""

    ANSWER = "answer"
    """Answer the request with `status` and `code` and do nothing else."""
    LOSE_ANSWER = "lose_answer"
    """Carry the request out, then answer as `answer` does."""
    DELAY = "delay"
    """Wait `after_s` before going on: a slow answer, a slow node, a slow image pull."""
    FAIL = "fail"
    """Fail the allocation or the creation with `code`."""
    EVICT = "evict"
    """Take the node away after `after_s`, with `grace_s` between SIGTERM and SIGKILL."""
    KILL = "kill"
    """End the program with SIGKILL after `after_s`."""
    UNUSABLE = "unusable"
    """Make the node unusable after `after_s`."""


class Rule(BaseModel):
    """One line of the script."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    on: FaultEvent
    do: FaultKind
    match: str = "*"
    """Shell-style pattern for the event's subject."""
    skip: int = Field(default=0, ge=0)
    """How many matching events pass first."""
    times: int | None = Field(default=1, ge=1)
    """How often the rule acts; null for ever."""
    chance: float = Field(default=1.0, ge=0, le=1)
    """Probability with which it acts on a matching event."""
    after_s: tuple[NonNegative, NonNegative] = (0.0, 0.0)
    """Bounds of the delay, both inclusive."""
    grace_s: NonNegative | None = None
    return_after_s: NonNegative | None = None
    status: int = Field(default=503, ge=400, le=599)
    code: str = "ServerBusy"
    retry_after_s: NonNegative | None = None


class Script(BaseModel):
    """The whole script."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = 0
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A rule that acts now; `after_s` is drawn from its bounds."""

    rule: Rule
    after_s: float


class Faults:
    """A script on its way: counts how often each rule has met and acted."""

    def __init__(self, script: Script) -> None:
        self.begin(script)

    def begin(self, script: Script) -> None:
        """Drop the script that runs and begin this one."""
        self.script = script
        self._lines = [_Line(rule, Random(f"{script.seed}/{index}")) for index, rule in enumerate(script.rules)]

    def at(self, event: FaultEvent, subject: str) -> Sequence[Fault]:
        """The faults that this event meets, in the order of the rules."""
        return [fault for line in self._lines if (fault := line.at(event, subject))]


class _Line:
    """One rule with its counters."""

    def __init__(self, rule: Rule, random: Random) -> None:
        self._rule = rule
        self._random = random
        self._met = 0
        self._acted = 0

    def at(self, event: FaultEvent, subject: str) -> Fault | None:
        rule = self._rule
        if rule.on is not event or not fnmatchcase(subject, rule.match):
            return None
        self._met += 1
        if self._met <= rule.skip or (rule.times is not None and self._acted >= rule.times):
            return None
        if self._random.random() >= rule.chance:
            return None
        self._acted += 1
        return Fault(rule=rule, after_s=self._random.uniform(*rule.after_s))
