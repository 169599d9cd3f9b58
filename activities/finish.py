"""Ends a run: publishes its outputs if it succeeded, writes its receipt if nobody did, and its last state.

The order makes every moment safe to stop at: outputs lie under names that nobody is told of until the manifest is
written; the state says that the run has ended once everything else is there.
"""

from activities.receipt import receipt_of
from activities.states import RunStates
from activities.verdict_listing import settled_shards
from dropscore.cloud.ports import Cloud
from dropscore.contracts import layout
from dropscore.contracts.base import Contract, Json
from dropscore.contracts.codec import decode, encode, encode_bytes
from dropscore.contracts.errors import NotFoundError
from dropscore.contracts.failures import Code, failure
from dropscore.contracts.layout import BlobPath
from dropscore.contracts.orchestration import Finish, RunEnd
from dropscore.contracts.receipt import OutputManifest, Receipt, StitchResult
from dropscore.contracts.request import AdmittedRun, InputRef
from dropscore.contracts.run import CancelMark, RunState, RunStatus

_SUCCESS = (RunStatus.SUCCEEDED, RunStatus.SUCCEEDED_WITH_GAPS)
_INPUTS_IN_RECEIPT = 1000
"""Most inputs that a receipt names one by one."""


class FinishActivities:
    """The activity that ends a run."""

    def __init__(self, cloud: Cloud) -> None:
        self._blobs = cloud.blobs
        self._clock = cloud.clock
        self._states = RunStates(cloud)

    def finish(self, _ctx: object, payload: Json) -> Json:
        """`Finish` to `RunEnd`. A run that has ended keeps its end."""
        asked = decode(Finish, payload)
        state = self._states.read(asked.run_id)
        if not state.status.ended:
            state = self._close(state, self._as_marked(asked))
        self._states.list_again(state)
        return encode(self._end(state))

    def _as_marked(self, asked: Finish) -> Finish:
        """The end of a run that was stopped, and that nobody asked for: it failed with the mark's reason."""
        if asked.status is not RunStatus.CANCELLED:
            return asked
        mark = self._read(CancelMark, layout.cancel_mark(asked.run_id))
        if mark is None or mark.failure is None:
            return asked
        return asked.model_copy(update={"status": RunStatus.FAILED, "failure": mark.failure})

    def _close(self, state: RunState, asked: Finish) -> RunState:
        outputs: tuple[str, ...] = ()
        if asked.status in _SUCCESS:
            stitched = self._read(StitchResult, layout.stitch_result(asked.run_id))
            asked = judged(asked, stitched)
            if stitched is not None and asked.status in _SUCCESS:
                outputs = self._publish(state, asked.status, stitched)
        receipt = self._receipt(state, asked)
        enter = self._states.enter(asked.status, failure=asked.failure, outputs=outputs, worker_s=receipt.worker_s)
        return self._states.change(asked.run_id, enter)

    def _publish(self, state: RunState, status: RunStatus, stitched: StitchResult) -> tuple[str, ...]:
        manifest = manifest_of(state, status, stitched)
        path = layout.output_manifest(state.run_id)
        self._blobs.put(path, encode_bytes(manifest, indent=2), content_type="application/json")
        return tuple(output.name for output in stitched.outputs)

    def _receipt(self, state: RunState, asked: Finish) -> Receipt:
        """The receipt, which is the stitcher's when the run succeeded, and is written here if it did not."""
        path = layout.receipt(state.run_id)
        if asked.status in _SUCCESS and (stitchers := self._read(Receipt, path)) is not None:
            return stitchers
        admitted = self._read(AdmittedRun, layout.admission(state.run_id))
        inputs = self._inputs(state.run_id) if admitted and admitted.input_count <= _INPUTS_IN_RECEIPT else ()
        now = self._clock.now()
        receipt = receipt_of(state, asked.status, asked.failure, admitted=admitted, inputs=inputs, finished_at=now)
        settled = settled_shards(self._blobs, state.run_id, from_shard=0, shards=state.shards_total)
        receipt = receipt.model_copy(update={"worker_s": sum(one.worker_s for one in settled)})
        self._blobs.put(path, encode_bytes(receipt), content_type="application/json")
        return receipt

    def _inputs(self, run_id: str) -> tuple[InputRef, ...]:
        lines = self._blobs.get(layout.inputs(run_id)).data.splitlines()
        return tuple(decode(InputRef, line) for line in lines)

    def _end(self, state: RunState) -> RunEnd:
        manifest = self._read(OutputManifest, layout.output_manifest(state.run_id))
        coverage = 0.0 if manifest is None else manifest.coverage
        return RunEnd(run_id=state.run_id, status=state.status, failure=state.failure, coverage=coverage)

    def _read[C: Contract](self, contract: type[C], path: BlobPath) -> C | None:
        try:
            return decode(contract, self._blobs.get(path).data)
        except NotFoundError:
            return None


def judged(asked: Finish, stitched: StitchResult | None) -> Finish:
    """How a run ended that was to succeed: the stitcher knows best what its outputs lack."""
    if stitched is None:
        why = failure(Code.CONTAINER_FAILED, "The stitched outputs are gone.")
        return asked.model_copy(update={"status": RunStatus.FAILED, "failure": why})
    if stitched.items_published == 0:
        why = failure(Code.SHARD_FAILED, "No item could be published.")
        return asked.model_copy(update={"status": RunStatus.FAILED, "failure": why})
    if stitched.items_missing:
        return asked.model_copy(update={"status": RunStatus.SUCCEEDED_WITH_GAPS})
    return asked


def manifest_of(state: RunState, status: RunStatus, stitched: StitchResult) -> OutputManifest:
    """What publishes the outputs."""
    total = max(state.items_total, stitched.items_published + stitched.items_missing)
    return OutputManifest(
        run_id=state.run_id,
        status=status,
        outputs=stitched.outputs,
        items_published=stitched.items_published,
        items_total=total,
        coverage=stitched.items_published / total if total else 0.0,
        failures=stitched.failures,
        notes=stitched.notes,
    )
