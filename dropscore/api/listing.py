"""The runs, newest first, by pages; read from the metadata of the index alone."""

from dataclasses import dataclass

from dropscore.api.operations import query
from dropscore.cloud.known_runs import KnownRuns
from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code
from dropscore.contracts.reading import suggestion
from dropscore.contracts.run import RunState, RunStatus

MOST = 200
"""Most runs on one page."""
USUAL = 50

LIST_PARAMETERS = (
    query("status", "Only runs of this status.", type="string", enum=[str(status) for status in RunStatus]),
    query("workload", "Only runs of this workload."),
    query("limit", "Most runs on the page.", type="integer", minimum=1, maximum=MOST, default=USUAL),
    query("after", "Where the page before ended (its `next`)."),
)
"""The query of a list of runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which runs are wanted. `after` is where the last page ended."""

    status: RunStatus | None = None
    workload: str | None = None
    limit: int = USUAL
    after: str | None = None
    tenant: str | None = None
    """Only runs of this tenant; None: everybody's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Runs, newest first; `next` is where the next page begins, None on the last one."""

    runs: tuple[RunState, ...]
    next: str | None


def read_wanted(query: dict[str, str]) -> Wanted:
    """Read the query of a list of runs. Raises `FailedError` (E-REQUEST-FIELD) that names the parameter."""
    known = [parameter.name for parameter in LIST_PARAMETERS]
    for name in query:
        if name not in known:
            raise FailedError.of(
                Code.REQUEST_FIELD, f"{name}: unknown parameter.", field=name, action=suggestion(name, known)
            )
    return Wanted(
        status=_status(query.get("status")),
        workload=query.get("workload"),
        limit=_limit(query.get("limit")),
        after=query.get("after"),
    )


def list_runs(known: KnownRuns, wanted: Wanted) -> Page:
    """One page of the runs that are wanted."""
    runs = (entry.state for entry in known.entries() if not entry.deleted)
    fitting = sorted((run for run in runs if _fits(run, wanted)), key=_place, reverse=True)
    rest = [run for run in fitting if wanted.after is None or _place(run) < wanted.after]
    page = tuple(rest[: wanted.limit])
    return Page(runs=page, next=_place(page[-1]) if len(rest) > len(page) else None)


def _fits(run: RunState, wanted: Wanted) -> bool:
    asked = ((wanted.status, run.status), (wanted.workload, run.workload), (wanted.tenant, run.source.tenant))
    return all(value is None or value == there for value, there in asked)


def _place(run: RunState) -> str:
    """Where a run stands in the list: by the time it was asked for, then by its id."""
    return f"{run.created_at}~{run.run_id}"


def _status(text: str | None) -> RunStatus | None:
    if text is None:
        return None
    try:
        return RunStatus(text)
    except ValueError:
        message = f"status: there is no status {text!r}."
        raise FailedError.of(
            Code.REQUEST_FIELD, message, field="status", action=suggestion(text, list(RunStatus))
        ) from None


def _limit(text: str | None) -> int:
    if text is None:
        return USUAL
    if not text.isdecimal() or not 1 <= int(text) <= MOST:
        raise FailedError.of(Code.REQUEST_FIELD, f"limit: {text!r} is no whole number from 1 to {MOST}.", field="limit")
    return int(text)
