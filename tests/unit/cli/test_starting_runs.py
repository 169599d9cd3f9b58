"""`dropscore run`: what is uploaded, what is asked for."""

import json
from pathlib import Path

import pytest
from small_cloud import SmallCloud, state_of

from dropscore.cli.exits import Exit
from dropscore.cli.start import StartArguments, start_run
from dropscore.contracts import layout
from dropscore.contracts.codec import decode
from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code
from dropscore.contracts.identity import run_id_of_trigger
from dropscore.contracts.names import Account, ContainerName
from dropscore.contracts.request import RunRecord, RunRequest
from dropscore.contracts.run import RunStatus


@pytest.fixture
def film(tmp_path: Path) -> Path:
    file = tmp_path / "film night.mp4"
    file.write_bytes(b"pictures that move")
    return file


def started(cloud: SmallCloud, *files: object, **arguments: object) -> tuple[str, RunRequest]:
    """Start a run; its id, and what was asked for."""
    session = cloud.session(as_json=True)
    given = {"files": [str(file) for file in files], "workload": "style_transfer", **arguments}
    assert start_run(session.session, StartArguments(**given)) == Exit.OK  # type: ignore[arg-type]
    run_id = json.loads(session.out)["run_id"]
    stored = cloud.memory.blobs.stored(layout.request(run_id))
    assert stored is not None
    record = decode(RunRecord, stored.data)
    assert record.body is not None
    return run_id, decode(RunRequest, record.body)


def test_a_file_is_uploaded_under_a_name_of_its_own_and_asked_for(cloud: SmallCloud, film: Path) -> None:
    _, first = started(cloud, film)
    _, second = started(cloud, film)

    (name,) = first.inputs
    assert name.endswith("/film night.mp4")
    stored = cloud.memory.blobs.stored(layout.input_file(name))
    assert stored is not None
    assert stored.data == b"pictures that move"
    assert first.inputs != second.inputs


def test_the_orchestration_of_the_run_is_started(cloud: SmallCloud, film: Path) -> None:
    run_id, _ = started(cloud, film)

    assert run_id in cloud.memory.orchestrations.started


def test_a_folder_is_one_prefix_with_its_readable_files(cloud: SmallCloud, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    (folder / "deep").mkdir(parents=True)
    for name in ("b.jpg", "a.PNG", "deep/c.jpeg", "notes.txt", ".hidden.jpg"):
        (folder / name).write_bytes(b"x")

    _, request = started(cloud, folder)

    (prefix,) = request.inputs
    assert prefix.endswith("/photos/")
    uploaded = [name.removeprefix(prefix) for name in cloud.memory.blobs.names(ContainerName.INPUTS)]
    assert uploaded == ["a.PNG", "b.jpg", "deep/c.jpeg"]


def test_two_files_of_one_name_do_not_meet(cloud: SmallCloud, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.mp4").write_bytes(folder.encode())

    _, request = started(cloud, tmp_path / "one/a.mp4", tmp_path / "two/a.mp4")

    stored = [cloud.memory.blobs.stored(layout.input_file(name)) for name in request.inputs]
    assert [blob.data for blob in stored if blob] == [b"one", b"two"]


def test_an_input_that_is_there_is_named_and_not_uploaded(cloud: SmallCloud) -> None:
    cloud.memory.blobs.put(layout.input_file("old/film.mp4"), b"x")

    _, request = started(cloud, "inputs:old/film.mp4")

    assert request.inputs == ("old/film.mp4",)
    assert cloud.memory.blobs.names(ContainerName.INPUTS) == ("old/film.mp4",)


def test_options_get_the_types_of_the_workloads_schema(cloud: SmallCloud, film: Path) -> None:
    _, request = started(
        cloud, film, options=["crf=23", "scale=0.5", "preserve_colour=true", "preset=fast", "on-missing=passthrough"]
    )

    assert request.options == {
        "crf": 23,
        "scale": 0.5,
        "preserve_colour": True,
        "preset": "fast",
        "on_missing": "passthrough",
    }


def test_a_file_for_an_option_is_uploaded_and_named_by_it(cloud: SmallCloud, film: Path, tmp_path: Path) -> None:
    (tmp_path / "style.jpg").write_bytes(b"brushes")

    _, request = started(cloud, film, options=["method=optimisation", f"style_image=@{tmp_path / 'style.jpg'}"])

    name = request.options["style_image"]
    assert isinstance(name, str)
    stored = cloud.memory.blobs.stored(layout.input_file(name))
    assert stored is not None
    assert stored.data == b"brushes"


def test_model_lane_and_note_travel_along(cloud: SmallCloud, film: Path) -> None:
    _, request = started(cloud, film, model="mosaic@2", lane="urgent", note="opening night")

    assert (request.model, request.lane.value, request.note) == ("mosaic@2", "urgent", "opening night")


def test_the_same_key_with_the_same_request_is_the_same_run(cloud: SmallCloud) -> None:
    first, _ = started(cloud, "inputs:film.mp4", key="tonight")
    again, _ = started(cloud, "inputs:film.mp4", key="tonight")

    assert first == again


def test_a_trigger_file_is_dropped_after_its_inputs_and_its_run_is_known(cloud: SmallCloud, film: Path) -> None:
    session = cloud.session(as_json=True)

    start_run(session.session, StartArguments(files=[str(film)], workload="style_transfer", trigger=True))

    told = json.loads(session.out)
    puts = cloud.memory.blobs.operations.targets("blob.put")
    assert puts[-1] == told["trigger"]
    name = told["trigger"].removeprefix("triggers/")
    stored = cloud.memory.blobs.stored(layout.trigger(name))
    assert stored is not None
    decode(RunRequest, stored.data)
    account = cloud.memory.cloud.accounts[Account.DATA]
    assert told["run_id"] == run_id_of_trigger(account, name, stored.info.etag)


def test_watching_a_trigger_waits_until_its_run_is_known(cloud: SmallCloud, film: Path) -> None:
    looks: list[float] = []

    def host_picks_it_up(seconds: float) -> None:
        looks.append(seconds)
        cloud.clock.advance(seconds)
        if len(looks) == 3:
            (name,) = cloud.memory.blobs.names(ContainerName.TRIGGERS)
            stored = cloud.memory.blobs.stored(layout.trigger(name))
            assert stored is not None
            run_id = run_id_of_trigger(cloud.memory.cloud.accounts[Account.DATA], name, stored.info.etag)
            assert run_id.startswith("film-night-")
            cloud.put_run(state_of(run_id, RunStatus.SUCCEEDED, items_done=120))

    session = cloud.session(pause=host_picks_it_up)
    arguments = StartArguments(files=[str(film)], workload="style_transfer", trigger=True, watch=True)

    assert start_run(session.session, arguments) == Exit.OK
    assert len(looks) == 3


def test_a_trigger_that_nobody_picks_up_is_told_after_a_while(cloud: SmallCloud, film: Path) -> None:
    arguments = StartArguments(files=[str(film)], workload="style_transfer", trigger=True, watch=True)

    with pytest.raises(FailedError) as refused:
        start_run(cloud.session().session, arguments)

    assert "not picked up within 60 s" in refused.value.failure.message


def test_watching_begins_with_the_runs_id(cloud: SmallCloud, film: Path) -> None:
    def finish(_: float) -> None:
        run_id = cloud.memory.orchestrations.started[0]
        cloud.put_run(state_of(run_id, RunStatus.SUCCEEDED, items_done=120))

    session = cloud.session(pause=finish)

    code = start_run(session.session, StartArguments(files=[str(film)], workload="style_transfer", watch=True))

    assert code == Exit.OK
    assert f"Run {cloud.memory.orchestrations.started[0]}" in session.err
    assert "✓ succeeded" in session.out


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("empty.mp4", b"", Code.INPUT_EMPTY),
        ("notes.txt", b"x", Code.INPUT_UNSUPPORTED),
        ("missing.mp4", None, Code.INPUT_MISSING),
    ],
)
def test_a_bad_file_is_refused_before_anything_is_uploaded(
    cloud: SmallCloud, film: Path, tmp_path: Path, name: str, content: bytes | None, code: Code
) -> None:
    bad = tmp_path / name
    if content is not None:
        bad.write_bytes(content)

    with pytest.raises(FailedError) as refused:
        started(cloud, film, bad)

    assert refused.value.failure.code is code
    assert cloud.memory.blobs.names(ContainerName.INPUTS) == ()


def test_a_folder_with_nothing_to_read_is_refused(cloud: SmallCloud, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_bytes(b"x")

    with pytest.raises(FailedError) as refused:
        started(cloud, tmp_path)

    assert refused.value.failure.code is Code.INPUT_UNSUPPORTED
    assert ".mp4" in refused.value.failure.action


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("crf", "has no value"),
        ("crff=20", "Did you mean 'crf'?"),
        ("crf=twenty", "is no integer"),
        ("preserve_colour=maybe", "boolean"),
    ],
)
def test_a_bad_option_is_refused_with_what_would_be_right(
    cloud: SmallCloud, film: Path, option: str, said: str
) -> None:
    with pytest.raises(FailedError) as refused:
        started(cloud, film, options=[option])

    failure = refused.value.failure
    assert failure.code is Code.OPTION_INVALID
    assert said in f"{failure.message} {failure.action}"


def test_a_value_out_of_range_is_refused_by_the_api_naming_the_option(cloud: SmallCloud, film: Path) -> None:
    with pytest.raises(FailedError) as refused:
        started(cloud, film, options=["crf=99"])

    assert (refused.value.failure.code, refused.value.failure.field) == (Code.OPTION_INVALID, "options.crf")


def test_an_unknown_workload_is_refused_with_the_known_ones(cloud: SmallCloud, film: Path) -> None:
    with pytest.raises(FailedError) as refused:
        started(cloud, film, workload="style")

    assert refused.value.failure.code is Code.WORKLOAD_UNKNOWN
    assert "style_transfer" in refused.value.failure.action
