"""Admits a run: everything its request refers to is checked and resolved, or it is refused with all reasons.

`inputs.jsonl` is written first, `admission.json` last and only once: whoever finds one goes by it, so that a run
that is started again keeps its inputs, versions and model.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from activities.catalogue import Catalogue, Checked
from activities.input_files import InputFiles
from activities.model_refs import ModelRefs
from activities.rejections import reject_trigger
from activities.replays import Replays, write_replay
from activities.request_text import request_of
from activities.states import RunStates, read_record
from dropscore.cloud.ports import Cloud
from dropscore.contracts import layout
from dropscore.contracts.base import Json
from dropscore.contracts.codec import decode, encode, encode_bytes
from dropscore.contracts.failures import Code, Failure, failure
from dropscore.contracts.identity import digest
from dropscore.contracts.orchestration import Admission, RunRef
from dropscore.contracts.reading import Refusal, read_as
from dropscore.contracts.request import AdmittedRun, InputRef, ModelRef, ReplayRequest, RunRecord, RunRequest
from dropscore.contracts.run import RunState


@dataclass(frozen=True, slots=True, kw_only=True)
class _Resolved:
    inputs: tuple[InputRef, ...]
    extra: tuple[InputRef, ...]
    model: ModelRef | None


class AdmitActivities:
    """The activity that admits a run."""

    def __init__(self, cloud: Cloud, catalogue: Catalogue) -> None:
        self._blobs = cloud.blobs
        self._clock = cloud.clock
        self._states = RunStates(cloud)
        self._catalogue = catalogue
        self._inputs = InputFiles(cloud.blobs)
        self._models = ModelRefs(cloud.blobs)
        self._replays = Replays(cloud.blobs)

    def admit(self, _ctx: object, payload: Json) -> Json:
        """`RunRef` to `Admission`."""
        run_id = decode(RunRef, payload).run_id
        return encode(self._earlier(run_id) or self._decide(run_id))

    def _earlier(self, run_id: str) -> Admission | None:
        """What is known of a run that was admitted before, or cancelled before anybody looked at it."""
        marks = self._marks(run_id)
        if not marks:
            return None
        admission = Admission(run_id=run_id)
        if layout.admission(run_id).name in marks:
            admission = self._admission(run_id)
        return _gone_on(admission, self._states.read(run_id), cancelled=layout.cancel_mark(run_id).name in marks)

    def _marks(self, run_id: str) -> set[str]:
        """Which of a run's admission and cancellation are there. They come first of the blobs of a run, by name."""
        wanted = {layout.admission(run_id).name, layout.cancel_mark(run_id).name}
        there: set[str] = set()
        for info in self._blobs.list(layout.run_prefix(run_id)):
            if info.path.name > max(wanted):
                break
            there |= {info.path.name} & wanted
        return there

    def _admission(self, run_id: str) -> Admission:
        return _admission_of(decode(AdmittedRun, self._blobs.get(layout.admission(run_id)).data))

    def _decide(self, run_id: str) -> Admission:
        record = read_record(self._blobs, run_id)
        if record.source.replay_of is not None:
            return self._decide_replay(record)
        request = request_of(record)
        if not isinstance(request, RunRequest):
            return self._refuse(record, request)
        state = self._states.begin(record, lambda state: _described(state, request))
        if state.status.ended:
            return _gone_on(Admission(run_id=run_id), state, cancelled=False)
        checked = self._catalogue.check(request)
        if not isinstance(checked, Checked):
            return self._refuse(record, checked)
        outside = _outside(record.source.tenant, request, checked)
        resolved = outside or self._resolve(request, checked)
        if not isinstance(resolved, _Resolved):
            return self._refuse(record, resolved)
        return self._admit(run_id, request, checked, resolved)

    def _decide_replay(self, record: RunRecord) -> Admission:
        asked = read_as(ReplayRequest, record.body or "")
        if not isinstance(asked, ReplayRequest):
            return self._refuse(record, asked)
        state = self._states.begin(record, lambda state: state.model_copy(update={"note": asked.note}))
        if state.status.ended:
            return _gone_on(Admission(run_id=record.run_id), state, cancelled=False)
        resolved = self._replays.resolve(record, asked)
        if not isinstance(resolved[0], AdmittedRun):
            return self._refuse(record, resolved)
        admitted, inputs = resolved
        self._states.change(record.run_id, lambda state: _like(state, admitted))
        first = write_replay(self._blobs, admitted, inputs)
        return _admission_of(admitted) if first else self._admission(record.run_id)

    def _resolve(self, request: RunRequest, checked: Checked) -> _Resolved | Refusal:
        inputs = self._inputs.resolve(request.inputs)
        extra = [self._inputs.resolve_extra(name, _option_of(request, name)) for name in checked.options.extra_inputs]
        wanted = request.model or checked.options.default_model
        model = None if wanted is None else self._models.resolve(wanted, checked.definition.name)
        problems = [problem for problem in (*inputs, *extra, model) if isinstance(problem, Failure)]
        if problems or isinstance(model, Failure):
            return tuple(problems)
        return _Resolved(inputs=_references(inputs), extra=_references(extra), model=model)

    def _admit(self, run_id: str, request: RunRequest, checked: Checked, resolved: _Resolved) -> Admission:
        admitted = AdmittedRun(
            run_id=run_id,
            workload=checked.definition.name,
            options=checked.options.model_dump(mode="json"),
            model=resolved.model,
            lane=request.lane,
            policy=request.policy,
            input_count=len(resolved.inputs),
            input_bytes=sum(one.size_bytes for one in resolved.inputs),
            options_digest=digest(checked.options),
            extra_inputs=resolved.extra,
        )
        lines = b"".join(encode_bytes(one) + b"\n" for one in resolved.inputs)
        self._blobs.put(layout.inputs(run_id), lines, content_type="application/x-ndjson")
        first = self._blobs.create(layout.admission(run_id), encode_bytes(admitted, indent=2))
        return _admission_of(admitted) if first else self._admission(run_id)

    def _refuse(self, record: RunRecord, failures: Refusal) -> Admission:
        source = record.source
        if source.kind == "trigger" and source.trigger_name is not None:
            reject_trigger(
                self._blobs, self._clock, trigger=source.trigger_name, run_id=record.run_id, failures=failures
            )
        return Admission(run_id=record.run_id, failure=_together(failures))


def _outside(tenant: str | None, request: RunRequest, checked: Checked) -> Refusal:
    """A tenant's run reads what lies in the tenant's own folder, and nothing else."""
    if tenant is None:
        return ()
    named = [(f"inputs[{index}]", name) for index, name in enumerate(request.inputs)]
    named += [(_option_of(request, name), name) for name in checked.options.extra_inputs]
    return tuple(
        failure(
            Code.INPUT_NAME,
            f"The input {name!r} is not in the folder {tenant + '/'!r}.",
            action=f"Name inputs below {tenant}/, such as {tenant}/{name}.",
            field=field,
            input=name,
        )
        for field, name in named
        if not name.startswith(f"{tenant}/")
    )


def _gone_on(admission: Admission, state: RunState, *, cancelled: bool) -> Admission:
    """The admission of a run that is further than that."""
    if state.status.ended:
        return admission.model_copy(update={"ended": state.status, "failure": state.failure})
    return admission.model_copy(update={"cancelled": cancelled})


def _admission_of(admitted: AdmittedRun) -> Admission:
    return Admission(run_id=admitted.run_id, lane=admitted.lane, policy=admitted.policy)


def _described(state: RunState, request: RunRequest) -> RunState:
    facts = {"workload": request.workload, "lane": request.lane, "note": request.note}
    return state.model_copy(update=facts | {"deadline_s": request.policy.deadline_s})


def _like(state: RunState, admitted: AdmittedRun) -> RunState:
    facts = {"workload": admitted.workload, "lane": admitted.lane, "deadline_s": admitted.policy.deadline_s}
    return state.model_copy(update=facts)


def _references(found: Iterable[InputRef | Failure]) -> tuple[InputRef, ...]:
    return tuple(one for one in found if isinstance(one, InputRef))


def _option_of(request: RunRequest, name: str) -> str:
    """The field of the request in which an input is named by an option."""
    named = [option for option, value in request.options.items() if value == name]
    return f"options.{named[0]}" if named else "options"


def _together(failures: Refusal) -> Failure:
    """One failure for all: the first, with the messages of the others as its detail."""
    first, *others = failures
    if not others:
        return first
    return first.model_copy(update={"detail": "\n".join(other.message for other in others)})
