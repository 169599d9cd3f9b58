"""Drives an orchestrator by hand, in virtual time: no backend, no threads, no network.

`drive` runs an orchestrator over all its generations and returns what it decided: the ordered list of what it asked
for (activities, sub-orchestrations, timers, waits), continued as and returned. Each generation is then replayed from
its own history, and must decide the same again.
"""

import heapq
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from durabletask import task

from dropscore.contracts.base import Contract, Json
from dropscore.contracts.codec import decode, encode
from orchestrations import run_container, score_run, score_shards

START = datetime(2026, 1, 1)  # noqa: DTZ001 - the orchestration's own time has no zone
GENERATIONS_AT_MOST = 500
STEPS_AT_MOST = 100_000

ORCHESTRATORS = {"score_run": score_run, "run_container": run_container, "score_shards": score_shards}

type Answer = Callable[[dict[str, Any], float], Contract]
"""What the world answers to a call: from its input and the virtual time in seconds. Raises what the call raises."""


@dataclass(kw_only=True)
class World:
    """What is outside of the orchestrator."""

    answers: Mapping[str, Answer]
    durations_s: Mapping[str, float] = field(default_factory=dict)
    """Time a call takes, by name; 10 ms unless said."""
    nudges_at_s: tuple[float, ...] = ()


@dataclass(kw_only=True)
class Drive:
    """What an orchestrator did."""

    log: list[list[Any]]
    result: Any
    elapsed_s: float
    generations: int
    most_events: int
    """History events of the longest generation, counted as the backend counts them."""

    def count(self, name: str) -> int:
        """How often something was asked for."""
        return sum(entry[1] == name for entry in self.log)

    def inputs(self, name: str) -> list[dict[str, Any]]:
        """The inputs of all calls of a name."""
        return [entry[2] for entry in self.log if entry[1] == name]

    def calls(self) -> list[str]:
        """Names of all activities and sub-orchestrations, in order."""
        return [entry[1] for entry in self.log if entry[0] in ("activity", "child")]


class Context:
    """The part of an orchestration context that ours use."""

    def __init__(self, instance_id: str, now: datetime) -> None:
        self.instance_id = instance_id
        self.current_utc_datetime = now
        self.is_replaying = False
        self.log: list[list[Any]] = []
        self.opened: list[tuple[str, Any, task.CompletableTask[Any]]] = []
        """Everything asked for and not yet scheduled: (kind, what, task)."""
        self.waits: list[task.CancellableTask[Any]] = []
        self.buffered = 0
        self.continued: Json = None

    def call_activity(self, name: str, *, input: Json, retry_policy: task.RetryPolicy) -> task.CompletableTask[Any]:
        assert retry_policy.max_number_of_attempts >= 1
        return self._open("activity", name, input)

    def call_sub_orchestrator(self, name: str, *, input: Json, instance_id: str) -> task.CompletableTask[Any]:
        assert instance_id.startswith(f"{self.instance_id}:")
        return self._open("child", name, input)

    def create_timer(self, fire_at: timedelta) -> task.TimerTask:
        timer = task.TimerTask()
        seconds = round(fire_at.total_seconds(), 6)
        self.log.append(["timer", "timer", seconds])
        self.opened.append(("timer", seconds, timer))
        return timer

    def wait_for_external_event(self, name: str) -> task.CancellableTask[Any]:
        wait: task.CancellableTask[Any] = task.CancellableTask()
        self.log.append(["wait", str(name), None])
        if self.buffered:
            self.buffered -= 1
            wait.complete(None)
        else:
            self.waits.append(wait)
        return wait

    def continue_as_new(self, new_input: Json, *, save_events: bool) -> None:
        assert save_events
        assert self.continued is None
        self.log.append(["continue_as_new", "continue_as_new", new_input])
        self.continued = new_input

    def raise_event(self) -> None:
        if self.waits:
            self.waits.pop(0).complete(None)
        else:
            self.buffered += 1

    def _open(self, kind: str, name: str, input: Json) -> task.CompletableTask[Any]:
        opened: task.CompletableTask[Any] = task.CompletableTask()
        self.log.append([kind, name, input])
        self.opened.append((kind, (name, input), opened))
        return opened


@dataclass(kw_only=True)
class _Step:
    """One completed event of a generation: enough to replay it."""

    at: datetime
    number: int | None
    """Which of the opened tasks it completes, in the order of opening; None for a nudge."""
    result: Any = None
    error: Exception | None = None


def drive(name: str, payload: Contract, world: World, *, instance_id: str = "run-1") -> Drive:
    """Run an orchestrator to its end over all generations, replaying each."""
    generation = _Generation(name, encode(payload), world, instance_id, START, world.nudges_at_s)
    log: list[list[Any]] = []
    most = 0
    for number in range(1, GENERATIONS_AT_MOST):
        result = generation.run()
        log += generation.context.log
        most = max(most, generation.events)
        if generation.context.continued is None:
            elapsed_s = (generation.now - START).total_seconds()
            return Drive(log=log, result=result, elapsed_s=elapsed_s, generations=number, most_events=most)
        generation = generation.following()
    raise AssertionError(f"{name} does not end")


class _Generation:
    def __init__(
        self,
        name: str,
        payload: Json,
        world: World,
        instance_id: str,
        now: datetime,
        nudges_at_s: tuple[float, ...],
        buffered: int = 0,
    ) -> None:
        self.name, self.payload, self.world, self.instance_id = name, payload, world, instance_id
        self.now = self.began = now
        self.context = Context(instance_id, now)
        self.context.buffered = self._buffered_at_start = buffered
        self.steps: list[_Step] = []
        self.events = 2
        self._nudges = [START + timedelta(seconds=at) for at in sorted(nudges_at_s)]
        self._due: list[tuple[datetime, int, int]] = []
        self._opened: list[tuple[str, Any, task.CompletableTask[Any]]] = []

    def run(self) -> Any:
        """Run to the end of the generation, and once more from its history."""
        telling = _Telling(ORCHESTRATORS[self.name](self.context, self.payload))
        while not telling.ended:
            self._schedule()
            step = self._next_step()
            self.steps.append(step)
            self.context.current_utc_datetime = step.at
            self._deliver(self.context, self._opened, step)
            telling.resume()
        self._check_nothing_left_behind()
        self._replay(telling.result)
        return telling.result

    def following(self) -> "_Generation":
        """The next generation: unused events are carried over."""
        later = tuple((at - START).total_seconds() for at in self._nudges)
        buffered = self.context.buffered
        return _Generation(self.name, self.context.continued, self.world, self.instance_id, self.now, later, buffered)

    def _schedule(self) -> None:
        for kind, what, opened in self.context.opened:
            duration_s = what if kind == "timer" else self.world.durations_s.get(what[0], 0.01)
            number = len(self._opened)
            self._opened.append((kind, what, opened))
            heapq.heappush(self._due, (self.now + timedelta(seconds=duration_s), number, number))
            self.events += 1
        self.context.opened.clear()

    def _next_step(self) -> _Step:
        assert len(self.steps) < STEPS_AT_MOST
        assert self._due or self._nudges, f"{self.name} waits for nothing"
        self.events += 3
        if self._nudges and (not self._due or self._nudges[0] <= self._due[0][0]):
            self.now = max(self.now, self._nudges.pop(0))
            return _Step(at=self.now, number=None)
        self.now, _, number = heapq.heappop(self._due)
        kind, what, _ = self._opened[number]
        if kind == "timer":
            return _Step(at=self.now, number=number)
        name, asked = what
        try:
            answer = encode(self.world.answers[name](asked, (self.now - START).total_seconds()))
        except Exception as error:  # noqa: BLE001 - whatever a call raises reaches the orchestrator as its failure
            return _Step(at=self.now, number=number, error=error)
        return _Step(at=self.now, number=number, result=answer)

    @staticmethod
    def _deliver(context: Context, opened: list[tuple[str, Any, task.CompletableTask[Any]]], step: _Step) -> None:
        if step.number is None:
            context.raise_event()
        elif step.error is not None:
            opened[step.number][2].fail(str(step.error), step.error)
        else:
            opened[step.number][2].complete(step.result)

    def _check_nothing_left_behind(self) -> None:
        """The in-memory backend would deliver an open task of this generation to a task of the next one."""
        if self.context.continued is not None:
            assert not self.context.opened, f"{self.name} opened {self.context.opened} while continuing as new"
            left = [self._opened[number][:2] for _, _, number in self._due]
            assert not left, f"{self.name} continued as new with {left} open"

    def _replay(self, result: Any) -> None:
        context = Context(self.instance_id, self.began)
        context.is_replaying = True
        context.buffered = self._buffered_at_start
        telling = _Telling(ORCHESTRATORS[self.name](context, self.payload))
        for step in self.steps:
            context.current_utc_datetime = step.at
            self._deliver(context, context.opened, step)
            telling.resume()
        assert telling.ended
        assert context.log == self.context.log, "a replay decided otherwise"
        assert telling.result == result


class _Telling:
    """A started generator and the task it waits for."""

    def __init__(self, story: Any) -> None:
        self.ended, self.result = False, None
        self._story = story
        self._waiting: task.Task[Any] | None = None
        self._advance(lambda: next(story))

    def resume(self) -> None:
        while not self.ended and self._waiting is not None and self._waiting.is_complete:
            waiting = self._waiting
            if waiting.is_failed:
                self._advance(lambda failed=waiting: self._story.throw(failed.get_exception()))
            else:
                self._advance(lambda done=waiting: self._story.send(done.get_result()))

    def _advance(self, step: Callable[[], task.Task[Any]]) -> None:
        try:
            self._waiting = step()
        except StopIteration as end:
            self.ended, self.result = True, end.value


def result_of[C: Contract](contract: type[C], drive: Drive) -> C:
    """The result of a drive as its contract."""
    return decode(contract, drive.result)
