"""Sees that enough workers are there or coming."""

from activities.states import RunStates
from dropscore.cloud.ports import Cloud, WorkerCounts, WorkerPool
from dropscore.contracts import layout
from dropscore.contracts.base import Json
from dropscore.contracts.codec import decode, encode
from dropscore.contracts.identity import worker_task_id
from dropscore.contracts.orchestration import WorkersSeen, WorkersWanted
from dropscore.contracts.run import RunState, RunStatus


class WorkerActivities:
    """The activity that looks after the workers."""

    def __init__(self, cloud: Cloud, pool: WorkerPool) -> None:
        self._blobs = cloud.blobs
        self._pool = pool
        self._states = RunStates(cloud)

    def ensure_workers(self, _ctx: object, payload: Json) -> Json:
        """`WorkersWanted` to `WorkersSeen`. Workers serve all runs, so those that are there count first.

        When it is quiet, storage may be refusing what workers write, and they cannot say so: a small write finds out.
        """
        asked = decode(WorkersWanted, payload)
        self._blobs.put(layout.service_clock(), b"")
        counts = self._pool.counts()
        lacking = asked.wanted - counts.running - counts.waiting
        if lacking > 0:
            self._pool.add([worker_task_id(asked.run_id, asked.round, number) for number in range(lacking)])
            counts = self._pool.counts()
        doubt = "" if counts.running else self._pool.doubts()
        detail = sentence(counts, doubt)
        self._states.change(asked.run_id, lambda state: self._seen(state, counts, detail))
        return encode(WorkersSeen(running=counts.running, waiting=counts.waiting, detail=detail))

    def _seen(self, state: RunState, counts: WorkerCounts, detail: str) -> RunState:
        if counts.running:
            state = self._states.enter(RunStatus.SCORING)(state)
        return state.model_copy(update={"workers": counts.running, "detail": detail})


def sentence(counts: WorkerCounts, doubt: str) -> str:
    """What a run waits for, in words; `doubt` is why no node comes."""
    running = _workers(counts.running, "runs", "run")
    if not counts.waiting:
        return doubt or f"{running}."
    waiting = f"{counts.waiting} {'waits' if counts.waiting == 1 else 'wait'} for a node"
    return f"{running}, {waiting}." + (f" {doubt}" if doubt else "")


def _workers(number: int, one: str, more: str) -> str:
    return f"{number} worker {one}" if number == 1 else f"{number} workers {more}"
