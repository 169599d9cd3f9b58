"""The runs, newest first, by pages; read from the metadata of the index alone."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass

from dropscore.cloud.ports import BlobStore
from dropscore.contracts import layout
from dropscore.contracts.errors import ContractError, FailedError
from dropscore.contracts.failures import Code
from dropscore.contracts.reading import suggestion
from dropscore.contracts.run import RunState, RunStatus, listed_state

MOST = 200
"""Most runs on one page."""
USUAL = 50

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which runs are wanted. `after` is where the last page ended."""

    status: RunStatus | None = None
    workload: str | None = None
    limit: int = USUAL
    after: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Runs, newest first; `next` is where the next page begins, None on the last one."""

    runs: tuple[RunState, ...]
    next: str | None


def read_wanted(query: dict[str, str]) -> Wanted:
    """Read the query of a list of runs. Raises `FailedError` (E-REQUEST-FIELD) that names the parameter."""
    known = ("status", "workload", "limit", "after")
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


def list_runs(blobs: BlobStore, wanted: Wanted) -> Page:
    """One page of the runs that are wanted."""
    fitting = sorted((run for run in _indexed(blobs) if _fits(run, wanted)), key=_place, reverse=True)
    rest = [run for run in fitting if wanted.after is None or _place(run) < wanted.after]
    page = tuple(rest[: wanted.limit])
    return Page(runs=page, next=_place(page[-1]) if len(rest) > len(page) else None)


def _indexed(blobs: BlobStore) -> Iterator[RunState]:
    prefix = layout.index_prefix()
    for info in blobs.list(prefix, with_metadata=True):
        run_id = info.path.name.removeprefix(prefix.name)
        try:
            yield listed_state(run_id, info.metadata)
        except ContractError as error:
            _LOG.warning("An entry of the list of runs cannot be read: %s", error, extra={"run_id": run_id})


def _fits(run: RunState, wanted: Wanted) -> bool:
    return (wanted.status in (None, run.status)) and (wanted.workload in (None, run.workload))


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
