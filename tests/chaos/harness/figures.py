"""What is measured of a run besides right and wrong: recovery, waste, double executions."""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass

from harness.drive import Ended
from harness.nemesis import Blow
from harness.processes import Role
from harness.schedule import Action

_WORKERS = (Role.WORKER, Role.WORKER_CHILD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One line of the long table. Times are seconds; `cancel_s` is from the API's answer until nothing was left."""

    name: str
    strikes: tuple[str, ...]
    hits: int
    """Strikes that met a process, or changed the cloud."""
    wrong: tuple[str, ...]
    wall_s: float
    quiet_s: float
    recoveries_s: tuple[float, ...] = ()
    scored_again: int = 0
    executed_twice: int = 0
    cancel_s: float | None = None
    committed_after_s: tuple[float, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether everything was as it must be."""
        return not self.wrong


def recoveries(ended: Ended) -> list[float]:
    """For each shard that a killed worker was working on: the seconds until somebody took it up again."""
    return [taken for blow in ended.blows for taken in _recovered(blow, ended)]


def hits(blows: Iterable[Blow]) -> int:
    """How many strikes met something."""
    aimed = (Action.KILL, Action.KILL_ALL, Action.STOP)
    return sum(bool(blow.hit) or blow.strike.action not in aimed for blow in blows)


def quantile(values: list[float], share: float) -> float:
    """A quantile; NaN of nothing."""
    if not values:
        return float("nan")
    return sorted(values)[min(len(values) - 1, round(share * (len(values) - 1)))]


def median(values: list[float]) -> float:
    """The median; NaN of nothing."""
    return statistics.median(values) if values else float("nan")


def _recovered(blow: Blow, ended: Ended) -> list[float]:
    if blow.strike.action is not Action.KILL or blow.strike.role not in _WORKERS:
        return []
    dead = {process.pid for process in blow.hit}
    work = {one for pid in dead for one in ended.history.at_work(pid, blow.at)}
    taken = [ended.history.taken_up(one, after=blow.at, not_by=dead) for one in work]
    return [at - blow.at for at in taken if at is not None]
