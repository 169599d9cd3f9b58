"""`admit` of a run that replays another one."""

import json

import pytest
from activity_bench import RUN, Bench

from dropscore.contracts import layout
from dropscore.contracts.codec import decode, encode_bytes
from dropscore.contracts.failures import Code
from dropscore.contracts.identity import sha256_hex
from dropscore.contracts.names import ActivityName, ContainerName
from dropscore.contracts.orchestration import Admission, RunRef
from dropscore.contracts.request import AdmittedRun, RunRecord, RunSource
from dropscore.contracts.run import RunStatus

REPLAY = "re-film-00112233445566aa"


@pytest.fixture
def failed_run(bench: Bench) -> Bench:
    """A run with gaps, and a plan."""
    bench.package()
    bench.upload("film.mp4")
    bench.ask_for(options={"strength": 0.5}, lane="urgent")
    bench.call(ActivityName.ADMIT, RunRef(run_id=RUN), Admission)
    bench.plan(3)
    bench.enter(RunStatus.SUCCEEDED_WITH_GAPS)
    return bench


def replay(bench: Bench, **asked: object) -> Admission:
    body = json.dumps(asked)
    record = RunRecord(
        run_id=REPLAY,
        source=RunSource(kind="replay", replay_of=RUN),
        created_at=bench.clock.now(),
        body=body,
        body_bytes=len(body),
        body_sha256=sha256_hex(body.encode()),
    )
    bench.memory.blobs.put(layout.request(REPLAY), encode_bytes(record))
    return bench.call(ActivityName.ADMIT, RunRef(run_id=REPLAY), Admission)


def admitted(bench: Bench, run_id: str) -> AdmittedRun:
    return decode(AdmittedRun, bench.memory.blobs.get(layout.admission(run_id)).data)


def test_a_replay_has_the_inputs_options_and_model_of_the_first_run(failed_run: Bench) -> None:
    failed_run.package(version="2")  # what `stable` means now does not matter

    admission = replay(failed_run, note="once more")

    assert (admission.failure, admission.lane.value) == (None, "urgent")
    first, again = admitted(failed_run, RUN), admitted(failed_run, REPLAY)
    assert again == first.model_copy(update={"run_id": REPLAY, "replay_of": RUN})
    blobs = failed_run.memory.blobs
    assert blobs.get(layout.inputs(REPLAY)).data == blobs.get(layout.inputs(RUN)).data


def test_another_model_may_be_asked_for(failed_run: Bench) -> None:
    digest = failed_run.package(version="2")
    replay(failed_run, model="mosaic-night@2")
    model = admitted(failed_run, REPLAY).model
    assert model is not None
    assert (model.version, model.digest) == ("2", digest)


@pytest.mark.parametrize(
    ("asked", "code", "field"),
    [
        ({"modle": "x"}, Code.REQUEST_FIELD, "modle"),
        ({"model": 3}, Code.REQUEST_FIELD, "model"),
        ({"model": "mosaic-nihgt"}, Code.MODEL_UNKNOWN, "model"),
    ],
)
def test_what_is_asked_wrongly_is_refused_with_its_field(
    failed_run: Bench, asked: dict[str, object], code: Code, field: str
) -> None:
    why = replay(failed_run, **asked).failure
    assert why is not None
    assert (why.code, why.field) == (code, field)
    assert failed_run.memory.blobs.stored(layout.admission(REPLAY)) is None
    assert not failed_run.memory.blobs.names(ContainerName.REJECTED), "a replay has no trigger file"


@pytest.mark.parametrize("status", [RunStatus.SUCCEEDED, RunStatus.CANCELLED, RunStatus.SCORING])
def test_a_run_that_left_nothing_or_is_under_way_is_not_replayed(failed_run: Bench, status: RunStatus) -> None:
    failed_run.enter(status)
    why = replay(failed_run).failure
    assert why is not None
    assert why.code is Code.REPLAY_NOTHING
    assert status.value in why.message


def test_inputs_that_changed_since_are_named_and_results_are_not_mixed(failed_run: Bench) -> None:
    failed_run.upload("film.mp4", data=b"other bytes")
    why = replay(failed_run).failure
    assert why is not None
    assert (why.code, why.input) == (Code.INPUT_CHANGED, "film.mp4")
