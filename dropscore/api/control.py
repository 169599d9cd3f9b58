"""What can be done to a run that is there: suspend, resume, rewind, delete. What is asked twice is asked once."""

from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from dropscore.api.documents import run_document, run_path
from dropscore.api.operations import LOCATION, RUN_ID, Access, Answer, serves
from dropscore.api.runs import orchestrations_of, stored_state
from dropscore.api.services import Services
from dropscore.api.stored import StoredRuns
from dropscore.cloud.ports import Orchestrations
from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code
from dropscore.contracts.http.runs import Deletion, RunDocument
from dropscore.contracts.run import RunState, RunStatus

LASTING = ("E-REQUEST-", "E-OPTION-", "E-WORKLOAD-", "E-INPUT-", "E-MODEL-", Code.RUN_TOO_LARGE, Code.TOO_MANY_FAILED)
"""A run that failed with such a code would fail with it again: what it was asked, and what it was asked of, stay."""


ACCEPTED = {202: Answer(description="It will be so.", contract=RunDocument, headers=LOCATION)}
UNCHANGED = {200: Answer(description="It is not suspended.", contract=RunDocument)}


class ControlApi:
    """Suspending, resuming, rewinding and deleting runs."""

    def __init__(self, services: Callable[[], Services]) -> None:
        self._services = services

    @serves(
        id="SuspendRun",
        method="POST",
        path="/runs/{run_id}/suspend",
        summary="Suspend a run",
        description="Begins nothing new for a run and lets its workers go, until it is resumed.",
        tag="runs",
        access=Access.SUBMITTER,
        parameters=(RUN_ID,),
        answers=ACCEPTED,
        statuses=(404, 409, 410),
    )
    async def suspend(self, request: Request) -> Response:
        """POST /runs/{run_id}/suspend: 202; no shard is leased and no container started for it any more."""
        state = await self._under_way(request)
        if state.suspended_at is None:
            control = self._services().control
            state = await run_in_threadpool(control.suspend, state.run_id, "Asked for through the API.")
        return self._accepted(state)

    @serves(
        id="ResumeRun",
        method="POST",
        path="/runs/{run_id}/resume",
        summary="Resume a run",
        description="Lets a suspended run go on.",
        tag="runs",
        access=Access.SUBMITTER,
        parameters=(RUN_ID,),
        answers=ACCEPTED | UNCHANGED,
        statuses=(404, 409, 410),
    )
    async def resume(self, request: Request) -> Response:
        """POST /runs/{run_id}/resume: 202; 200 for a run that is not suspended."""
        state = await self._under_way(request)
        if state.suspended_at is None:
            return JSONResponse(self._document(state))
        state = await run_in_threadpool(self._services().control.resume, state.run_id)
        await _carry_on(orchestrations_of(request), state.run_id)
        return self._accepted(state)

    @serves(
        id="RewindRun",
        method="POST",
        path="/runs/{run_id}/rewind",
        summary="Rewind a run",
        description="Takes a failed run up where it failed, with the results it has.",
        tag="runs",
        access=Access.SUBMITTER,
        parameters=(RUN_ID,),
        answers=ACCEPTED,
        statuses=(404, 409, 410),
    )
    async def rewind(self, request: Request) -> Response:
        """POST /runs/{run_id}/rewind: 202; a failed run goes on from where it failed, with the verdicts it has."""
        state = await self._state(request)
        if not state.status.ended and state.rewinds:
            return self._accepted(state)
        refuse_rewind(state)
        await self._require_clean(request, state)
        state = await run_in_threadpool(self._services().control.rewind, state.run_id)
        await orchestrations_of(request).start_again(state.run_id)
        return self._accepted(state)

    @serves(
        id="DeleteRun",
        method="DELETE",
        path="/runs/{run_id}",
        summary="Delete a run",
        description="Leaves of an ended run nothing but the fact that it was. Asked twice is asked once.",
        tag="runs",
        access=Access.OPERATOR,
        parameters=(RUN_ID,),
        answers={
            200: Answer(description="All of it is gone.", contract=Deletion),
            202: Answer(description="The sweep does the rest.", contract=Deletion),
        },
        statuses=(404, 409, 410),
    )
    async def delete(self, request: Request) -> Response:
        """DELETE /runs/{run_id}: 200; 202 when the sweep has to do the rest. All of an ended run goes, but for the
        fact that it was.
        """
        run_id = request.path_params["run_id"]
        record = await run_in_threadpool(StoredRuns(self._services().cloud.blobs).record, run_id)
        if record is None or record.deleted_at is None:
            state = await self._state(request)
            if not state.status.ended:
                raise FailedError.of(Code.RUN_UNDER_WAY, f"The run {run_id} is still {state.status}.", field="run_id")
            await self._require_clean(request, state)
            await self._require_unneeded(state)
        done = await run_in_threadpool(self._services().control.delete, run_id)
        return JSONResponse({"run_id": run_id, "deleted": done}, 200 if done else 202)

    async def _state(self, request: Request) -> RunState:
        blobs, run_id = self._services().cloud.blobs, request.path_params["run_id"]
        return await run_in_threadpool(stored_state, blobs, run_id)

    async def _under_way(self, request: Request) -> RunState:
        """The state of a run. Raises `FailedError` (E-RUN-ENDED)."""
        state = await self._state(request)
        if state.status.ended:
            raise FailedError.of(Code.RUN_ENDED, f"The run {state.run_id} has ended already: {state.status}.")
        return state

    async def _require_clean(self, request: Request, state: RunState) -> None:
        """Raise `FailedError` (E-RUN-UNDER-WAY) while an ended run is still being cleaned up."""
        cleaned = await run_in_threadpool(self._services().control.is_cleaned, state.run_id)
        if cleaned and await orchestrations_of(request).pulse(state.run_id) is None:
            return
        message = f"The run {state.run_id} has ended as {state.status}, and is still being cleaned up."
        raise FailedError.of(Code.RUN_UNDER_WAY, message, field="run_id", action="Try again in a few seconds.")

    async def _require_unneeded(self, state: RunState) -> None:
        """Raise `FailedError` (E-RUN-UNDER-WAY) while another run is built on this one's results."""
        replay = await run_in_threadpool(self._services().control.replay_under_way, state.run_id)
        if replay is not None:
            message = f"The run {state.run_id} is being replayed by {replay}."
            raise FailedError.of(Code.RUN_UNDER_WAY, message, field="run_id", action="Wait for its end, or cancel it.")

    def _accepted(self, state: RunState) -> Response:
        return JSONResponse(self._document(state), 202, {"Location": run_path(state.run_id)})

    def _document(self, state: RunState) -> dict[str, object]:
        return {**run_document(state, self._services().cloud.clock.now())}


def refuse_rewind(state: RunState) -> None:
    """Raise `FailedError` for a run that cannot be rewound: it did not fail, or would fail again."""
    run_id = state.run_id
    if not state.status.ended:
        raise FailedError.of(Code.RUN_UNDER_WAY, f"The run {run_id} is still {state.status}.", field="run_id")
    if state.status is not RunStatus.FAILED:
        message = f"The run {run_id} has ended as {state.status}; only a run that failed can be rewound."
        raise FailedError.of(Code.RUN_ENDED, message, field="run_id", action="Start a new run.")
    code = "" if state.failure is None else state.failure.code.value
    if code.startswith(LASTING):
        message = f"The run {run_id} failed with {code}, and would again: its request and inputs are what they were."
        action = "Replay what failed." if code == Code.TOO_MANY_FAILED else "Start a new run."
        raise FailedError.of(Code.RUN_ENDED, message, field="run_id", action=action)


async def _carry_on(orchestrations: Orchestrations, run_id: str) -> None:
    """Have a run looked at now, also one whose orchestration is gone."""
    await orchestrations.start(run_id)
    await orchestrations.nudge(run_id)
