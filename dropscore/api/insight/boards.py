"""Which shards of a run are settled, and how: one listing of its verdicts a second at most, from the first shard on
that was not settled the last time.
"""

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from dropscore.cloud.coalesced import Coalesced
from dropscore.cloud.ports import BlobInfo, BlobStore, Clock
from dropscore.contracts import layout
from dropscore.contracts.codec import decode
from dropscore.contracts.errors import ContractError, NotFoundError
from dropscore.contracts.glance import Glance, glance_at, glance_of
from dropscore.contracts.http.items import ShardState
from dropscore.contracts.run import RunState
from dropscore.contracts.verdict import Outcome, Verdict

FRESH_S = 1.0
MOST_RUNS = 64
STEPS_KEPT = 200
"""Of the shards settled last, for the rate."""

_WAITING = ord(ShardState.WAITING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A shard that was scored for the run: when it was settled, its items, and the seconds it took."""

    at: str
    items: int
    duration_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """What is settled of a run. `states` has a letter (`ShardState`) for each shard, as far as any is settled."""

    states: str = ""
    gap: int = 0
    """The first shard that is not settled."""
    settled: int = 0
    items_done: int = 0
    items_failed: int = 0
    worker_s: float = 0.0
    """Seconds in which workers scored for the run."""
    steps: tuple[Step, ...] = ()
    """The latest."""

    def state(self, shard_id: int) -> ShardState:
        """How a shard stands."""
        return ShardState(self.states[shard_id]) if shard_id < len(self.states) else ShardState.WAITING


class Boards:
    """The boards of the runs that were asked for last."""

    def __init__(self, blobs: BlobStore, clock: Clock) -> None:
        self._blobs = blobs
        self._known = Coalesced(self._look, clock, fresh_s=FRESH_S, most=MOST_RUNS)
        self._final = Coalesced(self._look_last, clock, fresh_s=math.inf, most=MOST_RUNS)

    def board(self, state: RunState) -> Board:
        """What is settled of a run. One that has ended is looked at once more, and then no more."""
        return self._final((state.run_id, state.rewinds)) if state.status.ended else self._known(state.run_id)

    def _look_last(self, ended: tuple[str, int], _last: Board | None) -> Board:
        return self._look(ended[0], None)

    def _look(self, run_id: str, last: Board | None) -> Board:
        tally = _Tally.of(last or Board())
        for shard_id, info in self._listed(run_id, tally.gap):
            if not tally.knows(shard_id):
                tally.add(shard_id, self._glance(info))
        return tally.board()

    def _listed(self, run_id: str, first: int) -> Iterator[tuple[int, BlobInfo]]:
        start = layout.verdict(run_id, first).name
        for info in self._blobs.list(layout.verdicts_prefix(run_id), start_from=start, with_metadata=True):
            stem = info.path.name.rpartition("/")[2].removesuffix(".json")
            if stem.isdecimal():
                yield int(stem), info

    def _glance(self, info: BlobInfo) -> Glance | None:
        """What a verdict comes to; None for one that cannot be read."""
        if (seen := glance_of(info.metadata)) is not None:
            return seen
        try:
            return glance_at(decode(Verdict, self._blobs.get(info.path).data), info.modified_at)
        except (ContractError, NotFoundError):
            return None


@dataclass(slots=True, kw_only=True)
class _Tally:
    """A board that is being added to."""

    states: bytearray
    gap: int
    settled: int
    items_done: int
    items_failed: int
    worker_s: float
    steps: deque[Step] = field(default_factory=lambda: deque(maxlen=STEPS_KEPT))

    @classmethod
    def of(cls, board: Board) -> "_Tally":
        return cls(
            states=bytearray(board.states, "ascii"),
            gap=board.gap,
            settled=board.settled,
            items_done=board.items_done,
            items_failed=board.items_failed,
            worker_s=board.worker_s,
            steps=deque(board.steps, maxlen=STEPS_KEPT),
        )

    def knows(self, shard_id: int) -> bool:
        return shard_id < len(self.states) and self.states[shard_id] != _WAITING

    def add(self, shard_id: int, seen: Glance | None) -> None:
        self._mark(shard_id, ShardState.DONE if seen is None else _state(seen))
        self.settled += 1
        if seen is None:
            return
        self.items_done += seen.items_done
        self.items_failed += seen.items_failed
        self.worker_s += seen.duration_s
        if not seen.kept:
            items = seen.items_done + seen.items_failed
            self.steps.append(Step(at=seen.at, items=items, duration_s=seen.duration_s))

    def board(self) -> Board:
        steps = sorted(self.steps, key=lambda step: step.at)
        return Board(
            states=self.states.decode("ascii"),
            gap=self.gap,
            settled=self.settled,
            items_done=self.items_done,
            items_failed=self.items_failed,
            worker_s=self.worker_s,
            steps=tuple(steps),
        )

    def _mark(self, shard_id: int, state: ShardState) -> None:
        self.states.extend(bytes([_WAITING]) * (shard_id + 1 - len(self.states)))
        self.states[shard_id] = ord(state)
        while self.gap < len(self.states) and self.states[self.gap] != _WAITING:
            self.gap += 1


def _state(seen: Glance) -> ShardState:
    match seen.outcome:
        case Outcome.SPLIT:
            return ShardState.SPLIT
        case Outcome.FAILED:
            return ShardState.FAILED
        case Outcome.DONE:
            return ShardState.RETRIED if seen.attempt > 1 else ShardState.DONE
