"""`dropscore runs`, `show`, `watch` and `cancel`."""

import json

import pytest
from small_cloud import SmallCloud, state_of

from dropscore.cli.client import Api, RefusedError
from dropscore.cli.exits import Exit
from dropscore.cli.finding import find_run
from dropscore.cli.inspect import cancel_run, list_runs, show_run
from dropscore.cli.watch import watch_run
from dropscore.contracts import layout
from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code, failure
from dropscore.contracts.run import RunStatus

NIGHT = "film-night-3f9a0c1d2e4b5a67"
MORNING = "film-morning-77aa0c1d2e4b5a67"


def test_runs_are_listed_with_status_and_items(cloud: SmallCloud) -> None:
    cloud.put_run(state_of(NIGHT, RunStatus.SCORING, items_done=84))
    cloud.put_run(state_of(MORNING, RunStatus.SUCCEEDED, items_done=120))
    cloud.clock.advance(200)
    session = cloud.session()

    list_runs(session.session, status=None, workload=None, most=20)

    lines = session.out.splitlines()
    assert any(NIGHT in line and "● scoring" in line and "84/120" in line and "3 min ago" in line for line in lines)
    assert any(MORNING in line and "✓ succeeded" in line and "120/120" in line for line in lines)


def test_runs_as_json_are_one_document(cloud: SmallCloud) -> None:
    cloud.put_run(state_of(NIGHT, RunStatus.SCORING))
    session = cloud.session(as_json=True)

    list_runs(session.session, status="scoring", workload="style_transfer", most=20)

    assert [run["run_id"] for run in json.loads(session.out)["runs"]] == [NIGHT]


def test_more_runs_than_one_page_are_listed_page_by_page(cloud: SmallCloud) -> None:
    for number in range(250):
        cloud.put_run(state_of(f"run-{number:016x}", RunStatus.SUCCEEDED))
    session = cloud.session(as_json=True)

    list_runs(session.session, status=None, workload=None, most=230)

    assert len({run["run_id"] for run in json.loads(session.out)["runs"]}) == 230


def test_an_unknown_status_is_refused_by_the_api_with_the_known_ones(cloud: SmallCloud) -> None:
    with pytest.raises(RefusedError) as refused:
        list_runs(cloud.session().session, status="done", workload=None, most=20)

    assert refused.value.failure.field == "status"
    assert "succeeded" in refused.value.failure.action


def test_show_tells_time_by_stage_and_where_to_go_on(cloud: SmallCloud) -> None:
    cloud.put_run(
        state_of(NIGHT, RunStatus.SCORING, items_done=84, shards_total=6, shards_settled=4, detail="2 shards left")
    )
    cloud.clock.advance(20)
    session = cloud.session()

    show_run(session.session, NIGHT)

    assert "planning 2.0 s, provisioning 2.0 s, scoring 14.0 s" in session.out
    assert "84 of 120, 0 failed" in session.out
    assert "2 shards left" in session.out
    assert f"dropscore watch {NIGHT}" in session.out


def test_show_of_a_failed_run_has_code_sentence_and_next_action(cloud: SmallCloud) -> None:
    why = failure(Code.INPUT_EMPTY, "the input 'a.mp4' has no bytes")
    cloud.put_run(state_of(NIGHT, RunStatus.REJECTED, failure=why, items_total=0))
    session = cloud.session()

    show_run(session.session, NIGHT)

    assert "E-INPUT-EMPTY  the input 'a.mp4' has no bytes" in session.err
    assert "→ Upload the file again." in session.err


@pytest.mark.parametrize("text", [NIGHT, "film-n", "3f9a", "film-night-3"])
def test_a_unique_beginning_of_an_id_is_enough(cloud: SmallCloud, text: str) -> None:
    cloud.put_run(state_of(NIGHT, RunStatus.SCORING))
    cloud.put_run(state_of(MORNING, RunStatus.SCORING))

    assert find_run(Api(cloud.url), text).state.run_id == NIGHT


def test_a_beginning_that_fits_two_runs_names_both(cloud: SmallCloud) -> None:
    cloud.put_run(state_of(NIGHT, RunStatus.SCORING))
    cloud.put_run(state_of(MORNING, RunStatus.SCORING))

    with pytest.raises(FailedError) as refused:
        find_run(Api(cloud.url), "film")

    assert refused.value.failure.code is Code.RUN_UNKNOWN
    assert NIGHT in refused.value.failure.message
    assert MORNING in refused.value.failure.message


def test_a_run_that_does_not_exist_says_so(cloud: SmallCloud) -> None:
    with pytest.raises(FailedError) as refused:
        find_run(Api(cloud.url), "nothing")

    assert refused.value.failure.code is Code.RUN_UNKNOWN


@pytest.mark.parametrize(
    ("ending", "code"),
    [
        (RunStatus.SUCCEEDED, Exit.OK),
        (RunStatus.SUCCEEDED_WITH_GAPS, Exit.GAPS),
        (RunStatus.FAILED, Exit.FAILED),
        (RunStatus.CANCELLED, Exit.FAILED),
        (RunStatus.REJECTED, Exit.INVALID),
    ],
)
def test_watching_ends_with_the_code_of_the_runs_end(cloud: SmallCloud, ending: RunStatus, code: Exit) -> None:
    states = [
        state_of(NIGHT, RunStatus.PLANNING, items_total=0),
        state_of(NIGHT, RunStatus.SCORING, items_done=60),
        state_of(NIGHT, ending, items_done=120),
    ]
    cloud.put_run(states.pop(0))
    session = cloud.session(pause=lambda _: cloud.put_run(states.pop(0)))

    assert watch_run(session.session, NIGHT) == code


def test_watching_where_nothing_can_move_prints_a_line_for_each_tenth(cloud: SmallCloud) -> None:
    done = iter([0, 1, 2, 60, 61, 120])
    cloud.put_run(state_of(NIGHT, RunStatus.PLANNING, items_total=0))

    def go_on(_: float) -> None:
        count = next(done, None)
        status = RunStatus.SCORING if count is not None else RunStatus.SUCCEEDED
        cloud.put_run(state_of(NIGHT, status, items_done=120 if count is None else count))
        cloud.clock.advance(1)

    session = cloud.session(pause=go_on)
    watch_run(session.session, NIGHT)

    lines = [line for line in session.out.splitlines() if " scoring " in line]
    assert [line.split("scoring")[1].split()[0] for line in lines] == ["0/120", "60/120", "120/120"]
    assert "\x1b" not in session.out


def test_watching_ends_with_outputs_and_the_place_of_the_report(cloud: SmallCloud) -> None:
    cloud.put_run(state_of(NIGHT, RunStatus.SUCCEEDED, items_done=120, outputs=("film.mp4", "manifest.json")))
    session = cloud.session()

    watch_run(session.session, NIGHT)

    assert "✓ succeeded in 10.0 s, 120/120 items" in session.out
    assert f"outputs/{NIGHT}/film.mp4" in session.out
    assert "manifest.json" not in session.out
    assert str(layout.report_html(NIGHT)) in session.out


def test_watching_as_json_gives_a_line_for_each_change(cloud: SmallCloud) -> None:
    states = [state_of(NIGHT, RunStatus.SCORING, items_done=60), state_of(NIGHT, RunStatus.SUCCEEDED, items_done=120)]
    cloud.put_run(state_of(NIGHT, RunStatus.PLANNING, items_total=0))
    session = cloud.session(as_json=True, pause=lambda _: cloud.put_run(states.pop(0)))

    watch_run(session.session, NIGHT)

    told = [json.loads(line) for line in session.out.splitlines()]
    assert [line["status"] for line in told] == ["planning", "scoring", "succeeded"]
    assert {"rate", "eta_s", "elapsed_s", "stage_times"} <= told[1].keys()


def test_leaving_with_ctrl_c_lets_the_run_go_on_and_says_how_to_come_back(cloud: SmallCloud) -> None:
    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    cloud.put_run(state_of(NIGHT, RunStatus.SCORING))
    session = cloud.session(pause=interrupted)

    assert watch_run(session.session, NIGHT) == Exit.DETACHED

    assert f"dropscore watch {NIGHT}" in session.err
    assert cloud.memory.blobs.stored(layout.cancel_mark(NIGHT)) is None


def test_cancelling_leaves_the_mark_that_stops_everybody(cloud: SmallCloud) -> None:
    cloud.put_run(state_of(NIGHT, RunStatus.SCORING))
    session = cloud.session()

    cancel_run(session.session, "film-night")

    assert cloud.memory.blobs.stored(layout.cancel_mark(NIGHT)) is not None
    assert NIGHT in session.out


def test_cancelling_a_run_that_has_ended_is_refused(cloud: SmallCloud) -> None:
    cloud.put_run(state_of(NIGHT, RunStatus.SUCCEEDED))

    with pytest.raises(FailedError) as refused:
        cancel_run(cloud.session().session, NIGHT)

    assert refused.value.failure.code is Code.RUN_ENDED
