"""The receipt of a run that ended before a stitcher could write one: what was asked for and how it ended."""

from datetime import datetime
from itertools import pairwise

from dropscore import __version__
from dropscore.contracts.failures import Failure
from dropscore.contracts.receipt import Receipt
from dropscore.contracts.request import AdmittedRun, InputRef
from dropscore.contracts.run import RunState, RunStatus, StageTime


def receipt_of(
    state: RunState,
    status: RunStatus,
    failure: Failure | None,
    *,
    admitted: AdmittedRun | None,
    inputs: tuple[InputRef, ...],
    finished_at: str,
) -> Receipt:
    """A receipt from the run's state and admission; nothing is published."""
    return Receipt(
        run_id=state.run_id,
        status=status,
        workload=state.workload,
        created_at=state.created_at,
        finished_at=finished_at,
        duration_s=_seconds(state.created_at, finished_at),
        stages=stage_seconds(state.stages, finished_at),
        inputs=inputs,
        options=admitted.options if admitted else {},
        options_digest=admitted.options_digest if admitted else None,
        model=admitted.model if admitted else None,
        code_version=__version__,
        items_total=state.items_total,
        failures=(failure,) if failure else (),
    )


def stage_seconds(stages: tuple[StageTime, ...], finished_at: str) -> dict[str, float]:
    """Seconds spent in each status, the last one lasting until `finished_at`."""
    moments = [(stage.status.value, stage.at) for stage in stages] + [("", finished_at)]
    return {status: _seconds(at, following) for (status, at), (_, following) in pairwise(moments)}


def _seconds(earlier: str, later: str) -> float:
    """Seconds between two moments; 0 where the clocks of two machines disagree."""
    return max(0.0, (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds())
