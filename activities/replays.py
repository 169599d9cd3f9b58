"""Admits a replay: a run that scores again what failed in another one, and keeps that one's good results."""

from activities.model_refs import ModelRefs
from dropscore.cloud.ports import BlobStore
from dropscore.contracts import layout
from dropscore.contracts.codec import decode, encode_bytes
from dropscore.contracts.errors import NotFoundError
from dropscore.contracts.failures import Code, Failure, failure
from dropscore.contracts.reading import Refusal
from dropscore.contracts.request import AdmittedRun, InputRef, ReplayRequest, RunRecord
from dropscore.contracts.run import RunState, RunStatus

REPLAYABLE = frozenset({RunStatus.SUCCEEDED_WITH_GAPS, RunStatus.FAILED})
"""How a run ended whose parts are kept."""
_CHANGED_SHOWN = 20


class Replays:
    """Looks at the run that is to be replayed."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._models = ModelRefs(blobs)

    def resolve(self, record: RunRecord, asked: ReplayRequest) -> tuple[AdmittedRun, bytes] | Refusal:
        """The admission of a replay and the text of its `inputs.jsonl`, or why there is nothing to replay."""
        replayed = record.source.replay_of or ""
        problem = self._problem(replayed)
        if problem is not None:
            return (problem,)
        first = decode(AdmittedRun, self._blobs.get(layout.admission(replayed)).data)
        inputs = self._blobs.get(layout.inputs(replayed)).data
        changed = self._changed(inputs)
        if changed:
            return changed
        model = first.model
        if asked.model is not None:
            wanted = self._models.resolve(asked.model, first.workload)
            if isinstance(wanted, Failure):
                return (wanted,)
            model = wanted
        return first.model_copy(update={"run_id": record.run_id, "model": model, "replay_of": replayed}), inputs

    def _problem(self, replayed: str) -> Failure | None:
        try:
            state = decode(RunState, self._blobs.get(layout.state(replayed)).data)
        except NotFoundError:
            return failure(Code.RUN_UNKNOWN, f"There is no run {replayed!r}.", field="run_id")
        if not state.status.ended:
            return failure(Code.REPLAY_NOTHING, f"The run {replayed} is still {state.status}: replay it when it ended.")
        if state.status not in REPLAYABLE or self._blobs.head(layout.plan_index(replayed)) is None:
            return failure(Code.REPLAY_NOTHING, f"The run {replayed} ended {state.status} and left nothing to replay.")
        return None

    def _changed(self, inputs: bytes) -> Refusal:
        """Inputs that are not what they were: old and new results must not be mixed."""
        refs = (decode(InputRef, line) for line in inputs.splitlines() if line)
        changed = (ref.name for ref in refs if not self._same(ref))
        return tuple(
            failure(Code.INPUT_CHANGED, f"The input {name!r} was changed or deleted since the first run.", input=name)
            for name, _ in zip(changed, range(_CHANGED_SHOWN), strict=False)
        )

    def _same(self, ref: InputRef) -> bool:
        info = self._blobs.head(layout.input_file(ref.name))
        return info is not None and info.etag == ref.etag


def write_replay(blobs: BlobStore, admitted: AdmittedRun, inputs: bytes) -> bool:
    """Write the admission of a replay, its inputs first; False when it is admitted already."""
    blobs.put(layout.inputs(admitted.run_id), inputs, content_type="application/x-ndjson")
    return blobs.create(layout.admission(admitted.run_id), encode_bytes(admitted, indent=2))
