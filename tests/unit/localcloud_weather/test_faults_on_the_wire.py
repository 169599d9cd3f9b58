"""The weather: what a line asks for, which requests meet which fault, and what their clients see of it."""

import json
import os
import subprocess
import sys
import time
from collections import Counter

import pytest
import requests
from azure.core.exceptions import (
    IncompleteReadError,
    ServiceRequestError,
    ServiceResponseError,
    ServiceResponseTimeoutError,
)
from azure.core.pipeline.transport import RequestsTransport
from azure.core.rest import HttpRequest

from localcloud.emulation.programs import base_environment
from localcloud.weather.environment import weather_environment
from localcloud.weather.events import lost_events
from localcloud.weather.schedule import Schedule, role_of_this_process
from localcloud.weather.spec import ANY_TIME, VARIABLE, Kind, Spec, SpecError
from localcloud.weather.wire import FaultyAdapter, put_under

TARGET = "/account/runs/r1/state.json"


def schedule(text, *, role="worker", number=None):
    return Schedule(Spec.parse(text), role=role, number=number)


def fates(of, kind="blob.put", count=200):
    return [(fault.kind, fault.share) if (fault := of.fault(kind, "x")) else None for _ in range(count)]


def test_a_line_says_seed_rate_kinds_and_whom():
    spec = Spec.parse("seed=7,rate=0.2,kinds=503+reset+lost,on=storage+batch,folder=/f,outage=/o,retry_after=2,slow=0")

    assert (spec.seed, spec.rate) == (7, 0.2)
    assert spec.kinds == (Kind.BUSY_503, Kind.RESET, Kind.LOST)
    assert spec.on == {"storage", "batch"}
    assert (str(spec.folder), str(spec.outage), spec.retry_after_s, spec.slow_s) == ("/f", "/o", 2.0, 0.0)


def test_an_empty_line_is_clear_weather_and_refusals_are_never_drawn_by_themselves():
    assert Spec.parse("").rate == 0
    assert not {Kind.READ_ONLY, Kind.FULL} & set(ANY_TIME)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("rain", "no name=value"),
        ("snow=1", "not snow"),
        ("rate=2", "rate is from 0 to 1"),
        ("events=2", "events is from 0 to 1"),
        ("kinds=fog", "fog"),
    ],
)
def test_a_line_that_nobody_understands_is_refused_and_says_why(text, says):
    with pytest.raises(SpecError, match=says):
        Spec.parse(text)


def test_events_are_lost_by_seed_and_name_as_often_as_asked():
    names = [f"{number}.json" for number in range(2000)]
    lost = {name for name in names if lost_events({"DROPSCORE_FAULTS": "seed=1,events=0.05"})(name)}
    other = {name for name in names if lost_events({"DROPSCORE_FAULTS": "seed=2,events=0.05"})(name)}

    assert 60 < len(lost) < 140
    assert lost != other
    assert not any(map(lost_events({}), names))


def test_one_number_gives_the_same_faults_whatever_else_is_asked_in_between():
    plain, mixed = schedule("seed=7,rate=0.3"), schedule("seed=7,rate=0.3")
    seen = fates(plain)
    again = []
    for _ in range(200):
        mixed.fault("queue.get", "q")
        fault = mixed.fault("blob.put", "y")
        again.append((fault.kind, fault.share) if fault else None)

    assert again == seen
    assert 40 <= sum(fate is not None for fate in seen) <= 80
    assert fates(schedule("seed=8,rate=0.3")) != seen
    assert fates(schedule("seed=7,rate=0.3", role="host")) != seen
    assert fates(schedule("seed=7,rate=0.3", number=2)) != seen


def test_each_process_takes_a_number_and_writes_down_what_it_did(tmp_path):
    text = f"seed=7,rate=1,kinds=503,folder={tmp_path}"
    first = schedule(text)
    first.fault("blob.put", "runs/r1/state.json")
    second = schedule(text)
    second.fault("blob.put", "x")

    assert sorted(path.name for path in tmp_path.iterdir()) == ["worker-1.jsonl", "worker-2.jsonl"]
    (line,) = (tmp_path / "worker-1.jsonl").read_text().splitlines()
    assert json.loads(line) | {"at": 0} == {
        "at": 0,
        "request": "blob.put",
        "target": "runs/r1/state.json",
        "fault": "503",
    }
    assert fates(second) != fates(first)


def test_a_child_that_was_forked_is_a_process_of_its_own(tmp_path):
    code = (
        "import os; from localcloud.weather.schedule import Schedule; from localcloud.weather.spec import Spec\n"
        f"s = Schedule(Spec.parse('rate=1,kinds=503,folder={tmp_path}'), role='w')\n"
        "child = os.fork()\n"
        "s.fault('blob.put', 'x')\n"
        "child and os.waitpid(child, 0)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)

    assert sorted((path.name, len(path.read_text().splitlines())) for path in tmp_path.iterdir()) == [
        ("w-1.jsonl", 1),
        ("w-2.jsonl", 1),
    ]


def test_an_outage_lasts_as_long_as_its_file(tmp_path):
    file = tmp_path / "outage"
    storm = schedule(f"outage={file}")
    assert storm.fault("blob.get", "x") is None
    file.write_text("")
    assert storm.fault("blob.get", "x").kind is Kind.REFUSE
    file.write_text("507")
    assert storm.fault("blob.get", "x").kind is Kind.FULL
    file.unlink()
    assert storm.fault("blob.get", "x") is None


# --- what clients see


@pytest.fixture
def service():
    """A service that answers every request with a thousand bytes."""
    from scripted import Answer, scripted_service

    with scripted_service() as running:
        running.answer = lambda request: Answer(200, body="x" * 998)
        yield running


@pytest.fixture
def send(service):
    """Send a request of storage through Azure's own transport, with one kind of fault on every request."""

    def sender(kind, method="GET", *, stream=True):
        with RequestsTransport() as transport:
            transport.open()
            transport.session.mount("http://", FaultyAdapter(schedule(f"rate=1,kinds={kind},slow=0.05,retry_after=3")))
            request = HttpRequest(method, service.url + TARGET, headers={"x-ms-version": "1"})
            return transport.send(request, stream=stream), transport

    return sender


@pytest.mark.parametrize(
    ("kind", "error", "arrived"),
    [
        (Kind.REFUSE, ServiceRequestError, 0),
        (Kind.RESET, ServiceResponseError, 0),
        (Kind.LOST, ServiceResponseError, 1),
    ],
)
def test_a_broken_connection_looks_to_azures_client_as_a_real_one(send, service, kind, error, arrived):
    with pytest.raises(error) as raised:
        send(kind)

    assert type(raised.value) is error
    assert len(service.requests) == arrived


def test_a_timeout_may_come_before_or_after_the_request_took_effect(service):
    with requests.Session() as session:
        adapter = FaultyAdapter(schedule("rate=1,kinds=timeout,slow=0"))
        session.mount("http://", adapter)
        for _ in range(40):
            with pytest.raises(requests.ReadTimeout):
                session.get(service.url + TARGET, headers={"x-ms-version": "1"})
    assert 8 <= len(service.requests) <= 32


def test_a_timeout_is_one_to_azures_client(send):
    with pytest.raises(ServiceResponseTimeoutError):
        send(Kind.TIMEOUT)


@pytest.mark.parametrize(("kind", "status"), [("429", 429), ("500", 500), ("503", 503), ("403", 403), ("507", 507)])
def test_a_refusal_has_the_services_form_and_changes_nothing(send, service, kind, status):
    answer, _ = send(kind, "PUT")

    assert answer.status_code == status
    assert answer.headers["x-ms-error-code"]
    assert "Retry-After" not in answer.headers
    assert service.requests == []


@pytest.mark.parametrize("kind", ["403", "507"])
def test_an_account_that_takes_no_writes_still_gives_reads(send, kind):
    answer, _ = send(kind)

    assert answer.status_code == 200


def test_a_busy_answer_may_say_when_to_come_back(send):
    answer, _ = send("503-after")

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "3")


def test_a_cut_body_ends_in_an_error_and_a_short_one_does_not(send):
    answer, _ = send(Kind.CUT)
    with pytest.raises(IncompleteReadError):
        answer.read()

    answer, _ = send(Kind.SHORT)
    assert len(answer.read()) == int(answer.headers["Content-Length"]) < 1000


def test_a_dripping_body_comes_whole_and_late(send):
    answer, _ = send(Kind.DRIP)
    begun = time.monotonic()

    assert len(answer.read()) == 1000
    assert time.monotonic() - begun >= 0.05


def test_only_requests_of_the_services_asked_for_meet_faults(service):
    kinds = Counter()
    clear_up = put_under(schedule("rate=1,kinds=503,on=batch+arm"))
    try:
        for headers, path in (
            ({"x-ms-version": "1"}, TARGET),
            ({}, "/jobs?api-version=1"),
            ({}, "/subscriptions/s?api-version=1"),
            ({}, "/api/runs"),
        ):
            kinds[requests.get(service.url + path, headers=headers, timeout=5).status_code] += 1
    finally:
        clear_up()
    assert requests.get(service.url + "/jobs?api-version=1", timeout=5).status_code == 200, "it has cleared up"
    assert kinds == {200: 2, 503: 2}


# --- how it reaches processes


def test_the_weather_reaches_every_process_of_a_local_cloud_and_of_its_emulators(tmp_path):
    own = {VARIABLE: "seed=7,rate=1,kinds=503"}
    given = weather_environment(own, "/app", tmp_path)

    assert given[VARIABLE] == f"seed=7,rate=1,kinds=503,folder={tmp_path}"
    assert base_environment({**own, **given})[VARIABLE] == given[VARIABLE]
    assert weather_environment({}, "/app", tmp_path) == {}


def test_a_process_under_the_weather_knows_nothing_of_it(tmp_path, service, repository):
    code = f"""import requests
answer = requests.get({service.url + TARGET!r}, headers={{'x-ms-version': '1'}}, timeout=5)
print(answer.status_code)"""
    environment = weather_environment({VARIABLE: "rate=1,kinds=500"}, str(repository), tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert done.stdout.strip() == "500"
    assert [path.name for path in tmp_path.iterdir()] == ["python-1.jsonl"]


def test_a_role_is_what_the_process_does(monkeypatch):
    for argv, role in (
        (["py", "-m", "gpu_worker"], "gpu_worker"),
        (["py", "-m", "cpu_worker", "plan", "--run", "r"], "cpu_worker-plan"),
        (["py", "-X", "dev", "-m", "localcloud.host", "--port", "1"], "localcloud.host"),
        (["py", "tools/script.py"], "script"),
        (["py", "-c", "pass"], "python"),
    ):
        monkeypatch.setattr(sys, "orig_argv", argv)
        assert role_of_this_process() == role
