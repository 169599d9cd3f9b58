"""The receipt of a run that ended before a stitcher could write one: what was asked for and how it ended."""

from dropscore import __version__
from dropscore.contracts.failures import Failure
from dropscore.contracts.receipt import Receipt
from dropscore.contracts.request import AdmittedRun, InputRef
from dropscore.contracts.run import RunState, RunStatus, stage_seconds


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
    stages = stage_seconds(state.stages, finished_at)
    return Receipt(
        run_id=state.run_id,
        status=status,
        workload=state.workload,
        created_at=state.created_at,
        finished_at=finished_at,
        duration_s=sum(stages.values()),
        stages=stages,
        inputs=inputs,
        options=admitted.options if admitted else {},
        options_digest=admitted.options_digest if admitted else None,
        model=admitted.model if admitted else None,
        code_version=__version__,
        items_total=state.items_total,
        failures=(failure,) if failure else (),
    )
