"""A run as the API shows it: its state, the time spent in each stage, and where its documents lie."""

from urllib.parse import quote

from dropscore.contracts import layout
from dropscore.contracts.base import Json
from dropscore.contracts.codec import encode
from dropscore.contracts.run import RunState, RunStatus, stage_seconds


def run_path(run_id: str) -> str:
    """The address of a run."""
    return f"/api/runs/{quote(run_id, safe='')}"


def run_document(state: RunState, now: str) -> dict[str, Json]:
    """The document of a run. `stage_times` are seconds; those of the stage a run is in grow."""
    told = encode(state)
    fields: dict[str, Json] = told if isinstance(told, dict) else {}
    until = state.updated_at if state.status.ended else now
    times: dict[str, Json] = dict(stage_seconds(state.stages, until))
    return {**fields, "stage_times": times, "links": links(state), "documents": documents(state)}


def links(state: RunState) -> dict[str, Json]:
    """Addresses of the API that belong to a run."""
    here: dict[str, Json] = {"self": run_path(state.run_id)}
    return here if state.status.ended else here | {"cancel": f"{run_path(state.run_id)}/cancel"}


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
