"""HTTP triggers under the local host."""

import json
import subprocess
import sys

import pytest
from hosting import ROOT, running_host

pytestmark = [pytest.mark.azurite, pytest.mark.xdist_group("host")]


def test_a_function_sees_the_request_and_its_answer_comes_back(host):
    answer = host.http.post(
        f"{host.url}/api/echo/b%C3%BCro?x=1&y=a%26b", content="häy".encode(), headers={"X-Sample": "here"}
    )
    assert answer.status_code == 201
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-back"] == "yes"
    assert answer.headers["set-cookie"] == "a=1; HttpOnly; Path=/"
    assert answer.json() == {
        "method": "POST",
        "url": f"{host.url}/api/echo/b%C3%BCro?x=1&y=a%26b",
        "name": "büro",
        "query": {"x": "1", "y": "a&b"},
        "header": "here",
        "body": "häy",
    }


def test_the_catch_all_takes_what_no_other_route_takes(host):
    assert host.http.get(f"{host.url}/api/runs/r1/cancel").text == "GET 'runs/r1/cancel'"
    assert host.http.get(f"{host.url}/api").text == "GET ''"
    assert host.http.get(f"{host.url}/api/echo/x").text == "GET 'echo/x'", "another method than the exact route's"


def test_text_is_an_answer_too(host):
    answer = host.http.get(f"{host.url}/api/nothing")
    assert (answer.status_code, answer.text) == (200, "just text")


def test_an_exception_is_a_500_that_tells_nothing_and_a_line_in_the_log(host, wait_until):
    answer = host.http.get(f"{host.url}/api/broken")
    assert (answer.status_code, answer.content) == (500, b"")
    wait_until(lambda: any("broken failed" in line and "a secret detail" in line for line in host.log))


def test_a_path_outside_the_prefix_is_not_found(host):
    assert host.http.get(f"{host.url}/elsewhere").status_code == 404


@pytest.mark.fault(66)
def test_a_name_that_is_not_loopback_is_refused(host):
    assert host.http.get(f"{host.url}/api/nothing", headers={"Host": "evil.example"}).status_code == 400


@pytest.mark.fault(66)
@pytest.mark.parametrize(
    ("origin", "status"), [("https://evil.example", 403), ("null", 403), ("http://localhost:3000", 200)]
)
def test_a_web_page_of_another_site_is_refused(host, origin, status):
    assert host.http.get(f"{host.url}/api/nothing", headers={"Origin": origin}).status_code == status


def test_the_host_says_that_it_runs(host):
    assert host.http.get(f"{host.url}/admin/host/status").json() == {"state": "Running"}


def test_the_opening_lists_functions_like_func_start(host):
    assert f"nothing: [GET] {host.url}/api/nothing" in host.opening
    assert "on_message: queueTrigger work" in host.opening
    assert "on_blob: blobTrigger triggers/{name}" in host.opening
    assert "on_timer: timerTrigger 0 0 0 1 1 *" in host.opening


@pytest.mark.fault(66)
def test_keys_are_asked_for_where_told_so(azurite, tmp_path):
    with running_host(tmp_path, azurite, events=False, arguments=("--enable-auth",)) as host:
        keys = json.loads((tmp_path / "state" / "keys.json").read_text())
        for given in ({}, {"x-functions-key": "wrong"}):
            assert host.http.get(f"{host.url}/api/nothing", headers=given).status_code == 401
        for name in ("default", "master"):
            assert host.http.get(f"{host.url}/api/nothing", headers={"x-functions-key": keys[name]}).status_code == 200
        assert host.http.get(f"{host.url}/api/nothing", params={"code": keys["default"]}).status_code == 200
        assert host.http.post(f"{host.url}/api/echo/anonymous").status_code == 201
        assert not any(keys["default"] in line for line in host.log)


APP = "import azure.functions as func\napp = func.FunctionApp()\n"
EVENT_HUB = """
@app.event_hub_message_trigger(arg_name="e", event_hub_name="h", connection="C")
def f(e: func.EventHubEvent) -> None: pass
"""
NO_CONNECTION = """
@app.queue_trigger(arg_name="m", queue_name="q", connection="Nowhere")
def f(m: func.QueueMessage) -> None: pass
"""
NO_SCHEDULE = """
@app.timer_trigger(arg_name="t", schedule="whenever")
def f(t: func.TimerRequest) -> None: pass
"""


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import nowhere", "No module named 'nowhere'"),
        ("x = 1", "Could not find top level function app instances"),
        (APP + EVENT_HUB, "eventHubTrigger, which this host does not serve"),
        (APP + NO_CONNECTION, "The connection 'Nowhere', named by a binding, is not in the settings."),
        (APP + NO_SCHEDULE, "The schedule 'whenever' has 1 fields, not six."),
    ],
)
def test_an_app_that_cannot_be_served_ends_the_host_with_the_reason(tmp_path, source, reason):
    (tmp_path / "function_app.py").write_text(source)
    (tmp_path / "settings.json").write_text("{}")
    command = [sys.executable, "-m", "localcloud.host", "--app", tmp_path, "--settings", tmp_path / "settings.json"]
    ended = subprocess.run(
        [*command, "--state", tmp_path / "state"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 1
    assert reason in ended.stderr
    assert "Traceback" not in ended.stderr.splitlines()[0]
