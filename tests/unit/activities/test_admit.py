import json
import socket
import unicodedata

import pytest
from activity_bench import RUN, Bench

from dropscore.contracts import layout
from dropscore.contracts.codec import decode
from dropscore.contracts.failures import Code, Failure, failure
from dropscore.contracts.names import ActivityName, ContainerName, Lane
from dropscore.contracts.orchestration import Admission, RunRef
from dropscore.contracts.request import AdmittedRun, InputRef
from dropscore.contracts.run import Rejection, RunStatus


def admit(bench: Bench) -> Admission:
    return bench.call(ActivityName.ADMIT, RunRef(run_id=RUN), Admission)


def refusal(bench: Bench) -> tuple[Failure, ...]:
    """Refuse, and give the reasons as the user finds them."""
    why = admit(bench).failure
    assert why is not None
    written = bench.memory.blobs.get(layout.rejected("film.json")).data
    failures = decode(Rejection, written).failures
    assert failures[0].message == why.message
    assert bench.memory.blobs.stored(layout.admission(RUN)) is None
    return failures


def inputs_of(bench: Bench) -> list[str]:
    lines = bench.memory.blobs.get(layout.inputs(RUN)).data.splitlines()
    return [decode(InputRef, line).name for line in lines]


@pytest.fixture
def ready(bench: Bench) -> Bench:
    bench.package()
    bench.upload("film.mp4")
    return bench


def test_good_request_is_admitted_with_everything_resolved(ready: Bench) -> None:
    digest = ready.package(version="2")
    ready.ask_for(lane="urgent", options={"strength": 0.5}, policy={"stall_s": 7}, note="for tonight")
    admission = admit(ready)
    assert (admission.failure, admission.lane, admission.policy.stall_s) == (None, Lane.URGENT, 7.0)
    admitted = decode(AdmittedRun, ready.memory.blobs.get(layout.admission(RUN)).data)
    assert admitted.model is not None
    assert (admitted.model.name, admitted.model.version, admitted.model.digest) == ("mosaic-night", "2", digest)
    assert admitted.options["strength"] == 0.5
    assert admitted.options["crf"] == 19
    assert (admitted.input_count, admitted.input_bytes) == (1, 5)
    info = ready.memory.blobs.head(layout.input_file("film.mp4"))
    assert info is not None
    lines = ready.memory.blobs.get(layout.inputs(RUN)).data.splitlines()
    assert [decode(InputRef, line).etag for line in lines] == [info.etag]


def test_admitted_run_appears_in_the_list_before_it_is_planned(ready: Bench) -> None:
    ready.ask_for(note="for tonight")
    admit(ready)
    assert (ready.state().status, ready.state().note) == (RunStatus.PENDING, "for tonight")
    assert (ready.listed()["status"], ready.listed()["workload"]) == ("pending", "style_transfer")


def test_second_admission_keeps_the_first_one_though_inputs_and_model_changed(ready: Bench) -> None:
    ready.ask_for()
    first = admit(ready)
    before = ready.memory.blobs.get(layout.admission(RUN)).data
    ready.upload("film.mp4", data=b"other bytes")
    ready.package(version="9")
    assert admit(ready) == first
    assert ready.memory.blobs.get(layout.admission(RUN)).data == before


def test_run_that_has_ended_is_admitted_as_ended(ready: Bench) -> None:
    why = failure(Code.RUN_STALLED)
    ready.ask_for()
    admit(ready)
    ready.enter(RunStatus.FAILED, failure=why)
    admission = admit(ready)
    assert (admission.ended, admission.failure) == (RunStatus.FAILED, why)


def test_rejected_run_stays_rejected_though_its_inputs_came_later(bench: Bench) -> None:
    bench.package()
    bench.ask_for()
    assert admit(bench).failure is not None
    bench.enter(RunStatus.REJECTED)
    bench.upload("film.mp4")
    assert admit(bench).ended is RunStatus.REJECTED


def test_run_cancelled_before_anybody_looked_is_not_admitted(ready: Bench) -> None:
    ready.ask_for()
    ready.memory.blobs.create(layout.cancel_mark(RUN), b"{}")
    assert admit(ready).cancelled


def test_cancelled_run_keeps_its_lane_so_that_its_messages_are_found(ready: Bench) -> None:
    ready.ask_for(lane="offpeak")
    admit(ready)
    ready.memory.blobs.create(layout.cancel_mark(RUN), b"{}")
    assert (admit(ready).cancelled, admit(ready).lane) == (True, Lane.OFFPEAK)


@pytest.mark.fault(6)
@pytest.mark.parametrize(
    ("body", "code", "part"),
    [
        ("{", Code.REQUEST_MALFORMED, "line 1 column 2"),
        ("", Code.REQUEST_MALFORMED, "empty"),
        ('{"workload": "a", "workload": "b"}', Code.REQUEST_MALFORMED, "'workload' appears twice"),
        ('{"workload": NaN}', Code.REQUEST_MALFORMED, "NaN"),
        ("[" * 100_000, Code.REQUEST_MALFORMED, "nested deeper than 64"),
        ('{"a": ' + "9" * 5000 + "}", Code.REQUEST_MALFORMED, ""),
        ("[]", Code.REQUEST_FIELD, "no JSON object"),
        ('"{}"', Code.REQUEST_FIELD, "no JSON object"),
        ('{"workload": "style_transfer"}', Code.REQUEST_FIELD, "inputs: missing"),
        ('{"workload": "style_transfer", "inputs": []}', Code.REQUEST_FIELD, "inputs"),
        ('{"workload": "style_transfer", "inputs": ["a"], "lane": "fast"}', Code.REQUEST_FIELD, "lane"),
    ],
)
def test_unreadable_request_is_refused_with_place_and_reason(bench: Bench, body: str, code: Code, part: str) -> None:
    bench.ask(body)
    first = refusal(bench)[0]
    assert first.code is code
    assert part in first.message


@pytest.mark.fault(8)
def test_unknown_field_is_refused_with_the_nearest_name(bench: Bench) -> None:
    bench.ask_for(optons={})
    first = refusal(bench)[0]
    assert (first.field, first.message) == ("optons", "optons: unknown field.")
    assert first.action.startswith("Did you mean 'options'?")


@pytest.mark.fault(8)
def test_unknown_workload_is_refused_with_the_known_ones(bench: Bench) -> None:
    bench.ask_for(workload="style_transfers")
    first = refusal(bench)[0]
    assert (first.code, first.field) == (Code.WORKLOAD_UNKNOWN, "workload")
    assert first.action == "Did you mean 'style_transfer'? Known: style_transfer."


@pytest.mark.fault(8)
def test_every_wrong_option_is_named_with_its_value(bench: Bench) -> None:
    bench.ask_for(options={"crf": 99, "preset": "fastest", "strenght": 1})
    failures = {one.field: one for one in refusal(bench)}
    assert set(failures) == {"options.crf", "options.preset", "options.strenght"}
    assert "99" in failures["options.crf"].message
    assert "'fastest'" in failures["options.preset"].message
    assert failures["options.strenght"].action.startswith("Did you mean 'strength'?")


def test_first_failure_of_several_lists_the_others(bench: Bench) -> None:
    bench.ask_for(options={"crf": 99, "preset": "fastest"})
    why = admit(bench).failure
    assert why is not None
    assert why.detail is not None
    assert "options.preset" in why.detail


def test_options_that_do_not_go_together_are_refused(bench: Bench) -> None:
    bench.ask_for(options={"method": "optimisation"})
    first = refusal(bench)[0]
    assert (first.field, first.code) == ("options", Code.OPTION_INVALID)
    assert first.message.startswith("options: the method 'optimisation' needs style_image")


@pytest.mark.parametrize(
    "name",
    ["../secret.mp4", "a/../b.mp4", "a\\b.mp4", "/abs.mp4", "C:/x.mp4", "a//b.mp4", "a\x00b", "a\u202egnp.mp4", "./a"],
)
def test_name_that_could_reach_elsewhere_is_refused(bench: Bench, name: str) -> None:
    bench.package()
    bench.ask_for(inputs=["film.mp4", name])
    first = refusal(bench)[0]
    assert (first.code, first.input, first.field) == (Code.INPUT_NAME, name, "inputs[1]")


ADDRESSES = [
    *(
        f"{scheme}://127.0.0.1:10000/x.mp4"
        for scheme in ("http", "https", "ftp", "gopher", "rtmp", "rtsp", "tcp", "udp")
    ),
    *("file:///etc/passwd", "file:/etc/passwd", "file:etc/passwd", "FILE:///etc/passwd", "data:image/png;base64,AAAA"),
    *("http:/127.0.0.1/x", "http:127.0.0.1", "HTTP://127.0.0.1/x", "hTTp://localhost/x", "//127.0.0.1/x.mp4", "///x"),
    *("http://169.254.169.254/metadata/instance?api-version=2021-02-01", "http://[::1]/x", "http://[::ffff:7f00:1]/x"),
    *("http://2130706433/x", "http://0x7f000001/x", "http://017700000001/x", "http://127.1/x", "http://0/x"),
    *("http://user:secret@127.0.0.1/x", "http://127.0.0.1#@example.org/x", "http://example.org@127.0.0.1/x"),
    *("concat:a.mp4|b.mp4", "pipe:0", "crypto:file:///etc/passwd", "subfile,,start,0,end,9,,:/etc/passwd", "cache:x"),
    *("async:http://127.0.0.1/x", "hls+http://127.0.0.1/x.m3u8", "https:\\\\127.0.0.1\\x", "http:\t//127.0.0.1/x"),
    *("%68ttp://127.0.0.1/x", "http%3A%2F%2F127.0.0.1%2Fx", "\u210ettp://127.0.0.1/x", "http://127.0.0.1/\r\nHost: x"),
]


@pytest.mark.fault(58)
@pytest.mark.parametrize("field", ["inputs", "style_image"])
def test_address_is_a_name_like_any_other_and_nobody_goes_there(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, field: str
) -> None:
    def went(*where: object) -> None:
        raise AssertionError(f"somebody went to {where}")

    monkeypatch.setattr(socket, "getaddrinfo", went)
    monkeypatch.setattr(socket.socket, "connect", went)
    assert len(ADDRESSES) >= 40
    bench.package()
    for number, address in enumerate(ADDRESSES):
        if field == "inputs":
            bench.ask_for(inputs=[address])
        else:
            bench.upload("film.mp4")
            bench.ask_for(options={"method": "optimisation", "style_image": address})
        first = refusal(bench)[0]
        assert first.code in (Code.INPUT_NAME, Code.INPUT_MISSING), (number, address, first)


@pytest.mark.parametrize("name", ["my film #1 100%.mp4", "Über/größe 映画.mp4", "a;b&c=d+e.mp4", "x" * 1020 + ".mp4"])
def test_unusual_names_work(bench: Bench, name: str) -> None:
    bench.package()
    bench.upload(name)
    bench.ask_for(inputs=[name])
    assert admit(bench).failure is None
    assert inputs_of(bench) == [name]


def test_name_is_found_whichever_way_its_accents_are_written(bench: Bench) -> None:
    composed = unicodedata.normalize("NFC", "café.mp4")
    bench.package()
    bench.upload(composed)
    bench.ask_for(inputs=[unicodedata.normalize("NFD", "café.mp4")])
    assert admit(bench).failure is None
    assert inputs_of(bench) == [composed]


@pytest.mark.fault(10)
def test_first_twenty_of_many_missing_inputs_are_listed(bench: Bench) -> None:
    bench.package()
    bench.upload(*(f"frames/{number}.png" for number in range(100)))
    bench.ask_for(inputs=[f"frames/{number}.png" for number in range(130)])
    first = refusal(bench)[0]
    assert first.code is Code.INPUT_MISSING
    assert first.message.startswith("30 inputs do not exist: 'frames/100.png'")
    assert first.message.endswith("'frames/119.png' and 10 more.")


def test_many_names_of_one_folder_cost_one_listing(bench: Bench) -> None:
    bench.package()
    names = [f"frames/{number}.png" for number in range(200)]
    bench.upload(*names)
    bench.ask_for(inputs=names)
    bench.memory.blobs.operations.clear()
    assert admit(bench).failure is None
    assert bench.memory.blobs.operations.counts().get("blob.head", 0) == 0
    assert inputs_of(bench) == names


@pytest.mark.fault(12)
def test_empty_input_is_refused_by_name(bench: Bench) -> None:
    bench.package()
    bench.upload("film.mp4")
    bench.upload("empty.mp4", data=b"")
    bench.ask_for(inputs=["film.mp4", "empty.mp4"])
    first = refusal(bench)[0]
    assert (first.code, first.input) == (Code.INPUT_EMPTY, "empty.mp4")


def test_folder_stands_for_its_files_in_natural_order_without_hidden_ones(bench: Bench) -> None:
    bench.package()
    bench.upload("in/10.png", "in/9.png", "in/sub/1.png", "in/.DS_Store", "in/Thumbs.db", "in/.git/x", "inside.png")
    bench.upload("in/folder/", data=b"")
    bench.ask_for(inputs=["in/"])
    assert admit(bench).failure is None
    assert inputs_of(bench) == ["in/9.png", "in/10.png", "in/sub/1.png"]


def test_input_named_twice_is_scored_once(bench: Bench) -> None:
    bench.package()
    bench.upload("in/a.png", "in/b.png")
    bench.ask_for(inputs=["in/b.png", "in/"])
    admit(bench)
    assert inputs_of(bench) == ["in/b.png", "in/a.png"]


@pytest.mark.parametrize("files", [[], ["in/.DS_Store"]])
def test_folder_with_nothing_to_score_is_refused(bench: Bench, files: list[str]) -> None:
    bench.package()
    bench.upload(*files)
    bench.ask_for(inputs=["in/"])
    first = refusal(bench)[0]
    assert (first.code, first.input) == (Code.INPUT_MISSING, "in/")
    assert all(name.rpartition("/")[2] in first.message for name in files)


@pytest.mark.parametrize("body", ["holiday", "holiday/\n", "\ufeffholiday", "a folder #2"])
def test_trigger_with_a_folder_name_asks_for_style_transfer_of_it(bench: Bench, body: str) -> None:
    folder = body.strip().removeprefix("\ufeff").rstrip("/")
    bench.package()
    bench.upload(f"{folder}/1.png")
    bench.ask(body)
    assert admit(bench).failure is None
    assert inputs_of(bench) == [f"{folder}/1.png"]
    assert bench.state().workload == "style_transfer"


def test_folder_name_is_no_request_over_http(bench: Bench) -> None:
    bench.ask("holiday", trigger=None)
    why = admit(bench).failure
    assert why is not None
    assert why.code is Code.REQUEST_MALFORMED
    assert bench.memory.blobs.names(ContainerName.REJECTED) == ()


def test_style_picture_named_in_the_options_must_exist(bench: Bench) -> None:
    bench.package("vgg19")
    bench.upload("film.mp4")
    bench.ask_for(options={"method": "optimisation", "style_image": "wave.jpg"})
    first = refusal(bench)[0]
    assert (first.code, first.field, first.input) == (Code.INPUT_MISSING, "options.style_image", "wave.jpg")
    bench.upload("wave.jpg")
    assert admit(bench).failure is None


@pytest.mark.parametrize("model", ["mosaic-night", "mosaic-night@1", "mosaic-night@stable"])
def test_model_is_found_by_name_version_and_alias(ready: Bench, model: str) -> None:
    ready.ask_for(model=model)
    assert admit(ready).failure is None


@pytest.mark.parametrize(
    ("model", "part"),
    [
        ("mosaic-nigt", "Did you mean 'mosaic-night'?"),
        ("mosaic-night@7", "Known: mosaic-night@1, mosaic-night@stable."),
        ("../x", "Known: mosaic-night."),
        ("mosaic-night@../../x", "Known: mosaic-night."),
    ],
)
def test_unknown_model_is_refused_with_what_there_is(ready: Bench, model: str, part: str) -> None:
    ready.ask_for(model=model)
    first = refusal(ready)[0]
    assert (first.code, first.field) == (Code.MODEL_UNKNOWN, "model")
    assert part in first.action


def test_model_of_another_workload_is_refused(ready: Bench) -> None:
    ready.package("lung", workload="ct_classification")
    ready.ask_for(model="lung")
    assert refusal(ready)[0].message == "The model 'lung' is for 'ct_classification', not for 'style_transfer'."


def test_broken_package_is_refused(ready: Bench) -> None:
    ready.memory.blobs.put(layout.package("mosaic-night", "1"), b"{}")
    ready.ask_for()
    assert refusal(ready)[0].code is Code.MODEL_INVALID


def test_all_problems_of_inputs_and_model_are_told_at_once(bench: Bench) -> None:
    bench.ask_for()
    assert {one.code for one in refusal(bench)} == {Code.INPUT_MISSING, Code.MODEL_UNKNOWN}


def test_refusal_made_on_reading_is_the_answer(bench: Bench) -> None:
    bench.ask("", refusal=failure(Code.REQUEST_TOO_LARGE, "too much"))
    assert refusal(bench)[0].code is Code.REQUEST_TOO_LARGE


def test_rejection_is_readable_json_under_the_triggers_own_name(bench: Bench) -> None:
    bench.ask("{", trigger="a folder/tonight")
    admit(bench)
    text = bench.memory.blobs.get(layout.rejected("a folder/tonight")).data.decode()
    told = json.loads(text)
    assert bench.memory.blobs.names(ContainerName.REJECTED) == ("a folder/tonight.json",)
    assert text.count("\n") > 5
    assert (told["trigger"], told["run_id"]) == ("a folder/tonight", RUN)
    assert {"code", "message", "action"} <= set(told["failures"][0])


def test_small_request_costs_few_operations(ready: Bench) -> None:
    ready.ask_for()
    ready.memory.blobs.operations.clear()
    admit(ready)
    assert ready.memory.blobs.operations.total() <= 9


def test_more_inputs_than_a_run_may_have_are_refused(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("activities.input_files.MAX_INPUTS", 5)
    bench.package()
    bench.upload(*(f"in/{number}.png" for number in range(6)))
    bench.ask_for(inputs=["in/"])
    first = refusal(bench)[0]
    assert (first.code, first.field) == (Code.RUN_TOO_LARGE, "inputs")


def test_names_behind_the_listed_part_of_a_large_folder_are_asked_for(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("activities.input_files._LISTED_AT_MOST", 10)
    bench.package()
    bench.upload(*(f"in/{number:03d}.png" for number in range(100)))
    wanted = [f"in/{number:03d}.png" for number in range(0, 100, 10)]
    bench.ask_for(inputs=[*wanted, "in/nothing.png"])
    assert refusal(bench)[0].message == "1 input does not exist: 'in/nothing.png'."
    bench.ask_for(inputs=wanted)
    assert admit(bench).failure is None
    assert inputs_of(bench) == wanted


@pytest.mark.fault(11)
def test_inputs_that_options_name_are_held_to_their_version_too(bench: Bench) -> None:
    bench.package("vgg19")
    bench.upload("film.mp4", "styles/starry.jpg")
    bench.ask_for(options={"method": "optimisation", "style_image": "styles/starry.jpg"})
    bench.call(ActivityName.ADMIT, RunRef(run_id=RUN), Admission)
    admitted = decode(AdmittedRun, bench.memory.blobs.get(layout.admission(RUN)).data)
    info = bench.memory.blobs.head(layout.input_file("styles/starry.jpg"))
    assert info is not None
    assert [(one.name, one.etag) for one in admitted.extra_inputs] == [("styles/starry.jpg", info.etag)]


def test_deadline_of_a_run_is_told_in_the_list_of_runs(bench: Bench) -> None:
    bench.package()
    bench.upload("film.mp4")
    bench.ask_for(policy={"deadline_s": 90.0})
    bench.call(ActivityName.ADMIT, RunRef(run_id=RUN), Admission)
    assert bench.listed()["deadline"] == "90"
