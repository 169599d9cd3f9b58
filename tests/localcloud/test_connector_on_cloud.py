"""The connector and the ready workflows, on a real cloud: every operation is called as its definition tells."""

import json
import sys
import time

import httpx
import pytest
from clouds import local_cloud, new_home
from connector_session import DEFINITION, OPERATIONS, Session, notification_schema, problems
from hosting import ROOT
from main_job import MainJob, small_picture
from receiving import receiver
from workflows import SCORING, filled, steps, told_by, workflow

from dropscore.contracts.codec import decode
from dropscore.contracts.http.webhooks import Notification
from dropscore.contracts.signatures import SIGNATURE, verify

sys.path.insert(0, str(ROOT / "tests" / "unit" / "media"))  # the clips made there
from made_clips import Clip, damaged, make

pytestmark = [
    pytest.mark.azurite,
    pytest.mark.localcloud,
    pytest.mark.slow,
    pytest.mark.xdist_group("connector"),
    pytest.mark.timeout(240),
]

START_LIMIT_S = 90
WORKLOAD = "style_transfer"
FILM = Clip(frames=24, width=96, height=64, codec_options={"x264-params": "keyint=12:min-keyint=12:scenecut=0"})
BROKEN, _ = damaged(make(FILM), 17, whole=True)
"""A film of a second; one frame of its second half cannot be decoded, and with it those after."""


@pytest.fixture(scope="module")
def here():
    """Where webhooks and posts arrive."""
    with receiver() as receiving:
        yield receiving


@pytest.fixture(scope="module")
def job(tmp_path_factory, here):
    """A cloud that asks for keys, with a good picture and a damaged film."""
    home = new_home(tmp_path_factory.mktemp("cloud"))
    settings = ("--set=WorkerDevice=cpu", f"--set=WebhookAllow=127.0.0.1:{here.port}", "--enable-auth")
    with local_cloud(home, *settings, app=ROOT) as cloud:
        deadline = time.monotonic() + START_LIMIT_S
        while not cloud.ready:
            assert time.monotonic() < deadline, "".join(cloud.lines)
            time.sleep(0.02)
        job = MainJob.of(cloud)
        job.upload("good.png", small_picture())
        job.upload("broken.mp4", BROKEN)
        yield job


@pytest.fixture(scope="module")
def session(job):
    """A connection to it."""
    written = job.cloud.written
    return Session(url=written["api_url"], key=written["settings"]["DROPSCORE_KEY"])


def asked(*inputs, **more):
    return {"workload": WORKLOAD, "inputs": list(inputs)} | more


@pytest.fixture(scope="module")
def told(session, here):
    """A session from the first choice to the last page, as somebody has it who builds a workflow and lets it run."""
    told = {}
    told["workloads"] = session.call("ListWorkloads").json()
    told["options"] = session.call("GetWorkloadOptions", name=WORKLOAD).json()
    # M    told["models"] = session.call("ListModels").json()
    told["models"] = session.call("ListModels").json()
    told["finishing"] = session.call("WhenRunFinishes", {"url": here.url("/finished?sig=a%2Bb")})
    told["quarantining"] = session.call("WhenItemsAreQuarantined", {"url": here.url("/failed"), "workload": WORKLOAD})
    told["start"] = session.call("StartRun", asked("good.png"), Idempotency_Key="first-1")
    told["again"] = session.call("StartRun", asked("good.png"), Idempotency_Key="first-1")
    told["other"] = session.call("StartRun", asked("broken.mp4"), Idempotency_Key="first-1")
    told["run_id"] = told["start"].json()["run_id"]
    told["started"] = session.followed(told["start"])
    told["result"] = session.followed(session.call("GetOperation", run_id=told["run_id"]))
    told["run"] = session.call("GetRun", run_id=told["run_id"])
    told["outputs"] = session.call("ListOutputs", run_id=told["run_id"])
    told["gaps"] = session.call("StartRun", asked("broken.mp4", policy={"tolerate_percent": 60})).json()["run_id"]
    told["with_gaps"] = session.followed(session.call("GetOperation", run_id=told["gaps"], fail="true"))
    told["replay"] = session.call("ReplayRun", {"note": "Once more."}, run_id=told["gaps"], Idempotency_Key="r-1")
    told["replayed"] = session.followed(session.call("GetOperation", run_id=told["replay"].json()["run_id"]))
    told["page"] = session.call("ListRuns", limit="1", workload=WORKLOAD)
    told["long"] = session.call(
        "StartRun", asked("good.png", options={"method": "optimisation", "style_image": "good.png"})
    )
    told["cancel"] = session.call("CancelRun", run_id=told["long"].json()["run_id"])
    told["cancelled"] = session.followed(session.call("GetOperation", run_id=told["long"].json()["run_id"]))
    return told


def test_every_choice_of_the_form_can_be_filled(told):
    assert WORKLOAD in [one["name"] for one in told["workloads"]["workloads"]]
    # M    assert told["models"]["models"]
    assert "mosaic-night" in [one["name"] for one in told["models"]["models"]]
    assert "strength" in told["options"]["options"]["properties"]


def test_start_goes_on_at_once_and_its_location_answers_with_the_run(told):
    assert told["start"].status_code == 202
    assert (told["started"].status_code, told["started"].json()["run_id"]) == (200, told["run_id"])


def test_step_that_is_tried_again_starts_nothing_and_another_request_is_a_conflict(told):
    assert told["again"].json()["run_id"] == told["run_id"]
    assert told["other"].status_code == 409


def test_waiting_gives_the_result_with_links_that_need_no_key(told):
    result = told["result"].json()
    assert (result["status"], result["succeeded"]) == ("succeeded", True)
    (picture,) = result["outputs"]
    assert picture["name"] == "good.png"
    assert httpx.get(picture["url"], timeout=20).content.startswith(b"\x89PNG")
    assert "<html" in httpx.get(result["report"], timeout=20).text
    assert told["run"].json()["status"] == "succeeded"
    assert [one["name"] for one in told["outputs"].json()["outputs"]] == ["good.png"]


def test_run_with_gaps_is_a_result_and_is_replayed(told):
    result = told["with_gaps"].json()
    assert (told["with_gaps"].status_code, result["status"]) == (200, "succeeded_with_gaps")
    assert 0 < result["items_failed"] < 12
    assert result["items_done"] + result["items_failed"] == result["items_total"] == 24
    assert told["replay"].status_code == 202
    assert told["replayed"].json()["ended"] is True


def test_list_is_read_to_its_end_by_the_address_of_the_next_page(told, session):
    seen, page = [], told["page"].json()
    while page["next_link"] is not None:
        seen += [run["run_id"] for run in page["runs"]]
        assert page["next_link"].startswith(session.url)
        page = httpx.get(page["next_link"], headers={"x-functions-key": session.key}, timeout=20).json()
    seen += [run["run_id"] for run in page["runs"]]
    assert {told["run_id"], told["gaps"], told["replay"].json()["run_id"]} <= set(seen)
    assert len(seen) == len(set(seen))


def test_cancelled_run_is_an_end_and_an_error_for_who_asks_so(told, session):
    assert told["cancelled"].json()["status"] == "cancelled"
    answer = session.call("GetOperation", run_id=told["long"].json()["run_id"], fail="true")
    assert (answer.status_code, answer.json()["code"]) == (409, "E-RUN-CANCELLED")


def test_wrong_request_is_a_problem_as_the_definition_tells(session, told):
    answer = session.call("StartRun", asked("good.png", options={"strenght": 1}))
    assert (answer.status_code, answer.json()["field"]) == (400, "options.strenght")
    assert session.call("GetRun", run_id="nobody-1").status_code == 404
    assert session.call("GetWorkloadOptions", name="nothing").status_code == 404
    assert Session(url=session.url, key="wrong").call("ListRuns").status_code == 401


def test_webhook_triggers_are_told_what_the_definition_says(told, here, wait_until):
    for trigger, path, event, run_id in (
        ("finishing", "/finished?sig=a%2Bb", "run.finished", told["run_id"]),
        ("quarantining", "/failed", "items.quarantined", told["gaps"]),
    ):
        assert told[trigger].status_code == 201
        wait_until(lambda: any(one.json["run_id"] == run_id for one in here.at(path)), within_s=30)  # noqa: B023
        first = next(one for one in here.at(path) if one.json["run_id"] == run_id)
        assert problems(notification_schema(f"/api/v1/events/{event}/webhooks"), first.json) == []
        assert decode(Notification, first.body).event == event
        assert verify(told[trigger].json()["secret"], first.headers[SIGNATURE], first.body, time.time())
        assert {one.json["event"] for one in here.at(path)} == {event}


def test_switching_a_workflow_off_ends_its_subscription_by_the_location_it_got(told, session):
    location = told["quarantining"].headers["location"]
    assert location.startswith(f"{session.url}/api/v1/webhooks/")
    for _ in range(2):
        assert session.send("delete", location.removeprefix(session.url)).status_code == 204


def test_workflow_takes_a_new_blob_to_the_link_of_its_result(job, session, here):
    definition = workflow("blob-to-result")
    job.upload("added.png", small_picture())
    table = {
        "triggerBody()?['Name']": "added.png",
        "parameters('workload')": WORKLOAD,
        "parameters('options')": {"strength": 0.5},
        "parameters('postTo')": here.url("/chat"),
        "workflow()['name']": "added",
        "workflow()['run']['name']": "08584",
    }
    ran = run_steps(definition, {"Is_there_a_result": "then"}, table, session)
    assert ran == ["StartRun", "GetOperation", "POST /chat"]
    posted = here.at("/chat")[-1].json
    assert posted["text"].startswith("added.png is done (succeeded): http")
    assert "<html" in httpx.get(posted["text"].rpartition(" ")[2], timeout=20).text
    assert [one["name"] for one in posted["outputs"]] == ["added.png"]


def test_workflow_posts_the_failure_of_a_blob_that_has_no_result(session, here):
    table = {
        "triggerBody()?['Name']": "never-uploaded.png",
        "parameters('workload')": WORKLOAD,
        "parameters('options')": {},
        "parameters('postTo')": here.url("/chat"),
        "workflow()['name']": "added",
        "workflow()['run']['name']": "08585",
    }
    run_steps(workflow("blob-to-result"), {"Is_there_a_result": "else"}, table, session)
    text = here.at("/chat")[-1].json["text"]
    assert text.startswith("never-uploaded.png has no result (rejected): ")
    assert "Upload the inputs first" in text


@pytest.mark.parametrize(
    ("inputs", "ended"),
    [("good.png", "succeeded"), ("broken.mp4", "succeeded_with_gaps"), ("missing.png", "rejected")],
)
def test_workflow_acts_on_every_end_of_a_run(session, here, wait_until, inputs, ended):
    definition = workflow("run-finished")
    trigger = definition["triggers"]["When_a_run_finishes"]["inputs"]
    assert trigger["host"]["connection"]["name"] == SCORING
    address = f"/fired-{ended}"
    body = filled(trigger["body"], {"listCallbackUrl()": here.url(address)})
    subscribed = session.send("post", trigger["path"], body=body)
    assert subscribed.status_code == 201
    run_id = session.call("StartRun", asked(inputs)).json()["run_id"]
    session.followed(session.call("GetOperation", run_id=run_id))
    wait_until(lambda: any(one.json["run_id"] == run_id for one in here.at(address)), within_s=30)
    told = next(one.json for one in here.at(address) if one.json["run_id"] == run_id)
    assert told["status"] == ended
    table = told_by("triggerBody()", told) | {
        "parameters('postTo')": here.url("/ended"),
        "parameters('mailTo')": "team@example.com",
    }
    cases = {case["case"] for case in definition["actions"]["How_did_it_end"]["cases"].values()}
    ran = run_steps(definition, {"How_did_it_end": ended if ended in cases else "default"}, table, session)
    if ended in cases:
        assert ran == ["ListOutputs", "POST /ended"]
        posted = here.at("/ended")[-1].json
        assert run_id in posted["text"]
        assert "report.html" in [one["name"] for one in posted["documents"]]
    else:
        assert ran == ["GetRun", "mail"]
    assert session.send("delete", subscribed.headers["location"].removeprefix(session.url)).status_code == 204


def run_steps(definition, branches, table, session):
    """Do the steps of a workflow in order, as its engine would; returns what each was."""
    ran = []
    for name, action in steps(definition["actions"], branches):
        inputs = filled({key: part for key, part in action["inputs"].items() if key != "host"}, table)
        if action["type"] == "Http":
            answer = httpx.request(inputs["method"], inputs["uri"], json=inputs["body"], timeout=20)
            assert answer.is_success
            ran.append(f"{inputs['method']} /{inputs['uri'].rpartition('/')[2]}")
        elif action["inputs"]["host"]["connection"]["name"] == SCORING:
            called = set(session.called)
            session.called.clear()
            answer = session.send(
                inputs["method"], inputs["path"], headers=inputs.get("headers", {}), body=inputs.get("body")
            )
            (operation,) = session.called
            answer = session.followed(answer)
            session.called |= called
            assert answer.is_success, answer.text
            table |= told_by(f"body('{name}')", answer.json())
            ran.append(operation)
        else:
            assert (inputs["method"], inputs["path"]) == ("post", "/v2/Mail")
            assert json.dumps(inputs["body"]).count("@") == 1, "every expression of the mail is filled in"
            ran.append("mail")
    return ran


def test_every_operation_of_the_definition_was_called(told, session):
    session.send("delete", told["finishing"].headers["location"].removeprefix(session.url))
    assert session.called == set(OPERATIONS)
    assert DEFINITION["info"]["title"] == "dropscore"
