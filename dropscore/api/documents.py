"""A run as the API shows it: its state, the time spent in each stage, and where its documents lie."""

from urllib.parse import quote

from dropscore.api.insight.progress import Told, progress_of
from dropscore.api.operations import BASE
from dropscore.contracts import layout
from dropscore.contracts.base import Json
from dropscore.contracts.codec import encode
from dropscore.contracts.run import RunState, RunStatus, stage_seconds


def run_path(run_id: str) -> str:
    """The address of a run."""
    return f"{BASE}/runs/{quote(run_id, safe='')}"


def operation_path(run_id: str, *, fail: bool = False) -> str:
    """The address at which to wait for a run."""
    return f"{run_path(run_id)}/operation" + ("?fail=true" if fail else "")


def run_document(state: RunState, now: str, told: Told | None = None) -> dict[str, Json]:
    """The document of a run. `stage_times` are seconds; those of the stage a run is in grow. Without `told`
    (see `Insight`), neither pace nor cost are in it.
    """
    beside = told or Told(progress=progress_of(state))
    encoded = encode(state)
    fields: dict[str, Json] = encoded if isinstance(encoded, dict) else {}
    until = state.updated_at if state.status.ended else now
    times: dict[str, Json] = dict(stage_seconds(state.stages, until))
    fields.pop("worker_s", None)  # is in the cost
    parts = {"progress": beside.progress, "cost": beside.cost}
    fields |= {name: None if part is None else encode(part) for name, part in parts.items()}
    return {**fields, "stage_times": times, "links": links(state), "documents": documents(state)}


def links(state: RunState) -> dict[str, Json]:
    """Addresses of the API that belong to a run: itself, and what may be done to it now."""
    here = run_path(state.run_id)
    if state.status.ended:
        deeds = ["rewind"] if state.status is RunStatus.FAILED else []
    else:
        deeds = ["cancel", "suspend" if state.suspended_at is None else "resume"]
    return {"self": here, "operation": operation_path(state.run_id), **{deed: f"{here}/{deed}" for deed in deeds}}


def documents(state: RunState) -> dict[str, Json]:
    """Blobs that tell more of a run (`<container>/<name>`), as far as it has come."""
    run_id = state.run_id
    there: dict[str, Json] = {"request": str(layout.request(run_id))}
    if state.items_total:
        there["plan"] = str(layout.plan_index(run_id))
    if state.status.ended:
        there["receipt"] = str(layout.receipt(run_id))
    if state.status in (RunStatus.SUCCEEDED, RunStatus.SUCCEEDED_WITH_GAPS):
        there["report"] = str(layout.report_html(run_id))
        there["manifest"] = str(layout.output_manifest(run_id))
    return there
