"""Which waiting task goes to which node: pure decisions."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from localcloud.batch.bodies.tasks import DependencyAction
from localcloud.batch.state.task import Task, TaskState, exit_options


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A node with its free slots. `busy` counts its tasks."""

    node_id: str
    free: int
    busy: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A task that may start, and how many slots it takes here."""

    task: Task
    slots: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """A task starts on a node."""

    task: Task
    node_id: str
    slots: int


def assign(candidates: Iterable[Candidate], places: Sequence[Place], *, pack: bool) -> list[Assignment]:
    """Give candidates, in their order, to places with room; one that fits nowhere holds nobody else up.

    `pack` fills the fullest node first, otherwise the emptiest comes first; equals go by position. A task that has
    an affinity goes to that node when there is room.
    """
    room = list(places)
    found = []
    for candidate in candidates:
        if not any(place.free for place in room):
            break
        fitting = [index for index, place in enumerate(room) if place.free >= candidate.slots]
        if not fitting:
            continue
        chosen = min(fitting, key=lambda index: _order(candidate.task, room[index], pack=pack))
        place = room[chosen]
        room[chosen] = replace(place, free=place.free - candidate.slots, busy=place.busy + 1)
        found.append(Assignment(task=candidate.task, node_id=place.node_id, slots=candidate.slots))
    return found


def _order(task: Task, place: Place, *, pack: bool) -> tuple[bool, int]:
    wanted = task.body.affinity_info.affinity_id.removeprefix("TVM:") if task.body.affinity_info else place.node_id
    return (wanted != place.node_id, place.free if pack else place.busy)


def slots_here(task: Task, *, pool_slots: int, local_slots: int) -> int | None:
    """How many slots a task takes on a local node; None if it would never fit its pool in Azure.

    A local node may have fewer slots than its pool states. A task that needs more than those takes all of them.
    """
    return None if task.slots > pool_slots else min(task.slots, local_slots)


def is_ready(task: Task, find: Callable[[str], Task | None]) -> bool:
    """Whether the tasks that it depends on have ended as it needs; `find` gives a task of its job by id."""
    depends = task.body.depends_on
    if depends is None:
        return True
    ids = list(depends.task_ids or ())
    if not all(satisfies(find(task_id)) for task_id in ids):
        return False
    return all(
        satisfies(find(str(number)))
        for span in depends.task_id_ranges or ()
        for number in range(span.start, span.end + 1)
    )


def satisfies(task: Task | None) -> bool:
    """Whether a task has ended in a way that lets those start which depend on it."""
    if task is None or task.state is not TaskState.COMPLETED:
        return False
    options = exit_options(task)
    if options is None or options.dependency_action is None:
        return task.succeeded
    return options.dependency_action is DependencyAction.SATISFY
