"""Reads what the planning container has made."""

from activities.states import RunStates
from dropscore.cloud.ports import Cloud
from dropscore.contracts import layout
from dropscore.contracts.base import Json
from dropscore.contracts.codec import decode, encode
from dropscore.contracts.failures import Code, Failure, failure
from dropscore.contracts.orchestration import PlanTotals, RunRef
from dropscore.contracts.plan import MAX_SHARDS, PlanIndex


class PlanActivities:
    """The activity that reads the plan."""

    def __init__(self, cloud: Cloud) -> None:
        self._blobs = cloud.blobs
        self._states = RunStates(cloud)

    def read_plan(self, _ctx: object, payload: Json) -> Json:
        """`RunRef` to `PlanTotals`; the run's state gets its totals."""
        run_id = decode(RunRef, payload).run_id
        plan = decode(PlanIndex, self._blobs.get(layout.plan_index(run_id)).data)
        totals = {"items_total": plan.items, "shards_total": plan.shards}
        self._states.change(run_id, lambda state: state.model_copy(update=totals))
        return encode(
            PlanTotals(shards=plan.shards, items=plan.items, refused=len(plan.refused), failure=plan_failure(plan))
        )


def plan_failure(plan: PlanIndex) -> Failure | None:
    """Why nothing of a plan can be scored; None when something can."""
    if plan.shards > MAX_SHARDS:
        message = f"The run has {plan.shards} shards; {MAX_SHARDS} are allowed."
        return failure(Code.RUN_TOO_LARGE, message)
    if plan.shards:
        return None
    if not plan.refused:
        return failure(Code.INPUT_UNREADABLE, "There is nothing to score in the inputs.")
    first, *others = plan.refused
    if not others:
        return first
    return first.model_copy(update={"detail": "\n".join(other.message for other in others[:100])})
