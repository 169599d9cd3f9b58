"""How long a request is repeated, and how a process behaves while a service is gone."""

import threading
import time

import pytest
from azure.core.exceptions import ServiceRequestError
from azure.core.rest import HttpRequest
from scripted import Answer, scripted_service

from dropscore.cloud.ask_again import AskAgain
from dropscore.cloud.azure_blobs import connect_blobs
from dropscore.cloud.connection import StorageSettings
from dropscore.cloud.outage import IN_A_ROW, MOST_PER_S, Line, Turns
from dropscore.cloud.patience import BRIEF, Patience, lasting
from dropscore.cloud.transport import CountingTransport
from dropscore.contracts import layout
from dropscore.contracts.errors import TransientCloudError
from dropscore.contracts.names import Account


def test_pauses_double_up_to_the_longest_and_are_shortened_by_chance():
    patience = Patience(within_s=60, first_s=0.25, most_s=1.0)

    assert [patience.pause_s(n, lambda: 0.0) for n in range(5)] == [0.25, 0.5, 1.0, 1.0, 1.0]
    assert [patience.pause_s(n, lambda: 1.0) for n in range(3)] == [0.125, 0.25, 0.5]
    assert lasting(900).pause_s(10_000, lambda: 0.0) == 10.0


@pytest.mark.fault(24)
def test_pauses_of_many_askers_differ():
    assert len({BRIEF.pause_s(1) for _ in range(50)}) == 50


@pytest.fixture
def service():
    with scripted_service() as running:
        yield running


def blobs_of(service, **how):
    storage = StorageSettings(account="a", blob_url=service.url, queue_url=service.url, key="a2V5")
    return connect_blobs({Account.SYSTEM: storage}, **how)


@pytest.mark.fault(24)
def test_an_outage_shorter_than_patience_goes_unnoticed(service):
    busy_until = time.monotonic() + 1.0
    service.answer = lambda request: Answer(202 if time.monotonic() > busy_until else 503)

    assert blobs_of(service, patience=Patience(within_s=5.0)).delete(layout.state("r")) is True


@pytest.mark.fault(24)
def test_patience_is_counted_in_time(service):
    service.answer = lambda request: Answer(503)
    began = time.monotonic()
    with pytest.raises(TransientCloudError):
        blobs_of(service, patience=Patience(within_s=0.6, first_s=0.1)).get(layout.state("r"))

    assert 0.2 <= time.monotonic() - began <= 3


def test_a_refusal_is_not_repeated(service):
    service.answer = lambda request: Answer(403)
    with pytest.raises(Exception, match="403"):
        blobs_of(service).get(layout.state("r"))
    assert len(service.requests) == 1


class Clock:
    """Time that passes only in `sleep`."""

    def __init__(self):
        self.time = 0.0

    def __call__(self):
        return self.time

    def sleep(self, seconds):
        self.time += seconds


@pytest.mark.fault(24)
def test_a_line_counts_as_gone_after_failures_in_a_row_and_as_there_after_one_answer():
    clock = Clock()
    line = Line(Turns(clock, clock.sleep))
    for _ in range(IN_A_ROW - 1):
        line.failed()
        clock.time += 1.0
    line.answered()
    assert line.silent_s == 0
    for _ in range(IN_A_ROW):
        line.failed()
        clock.time += 1.0
    assert line.silent_s == IN_A_ROW
    line.answered()
    assert line.silent_s == 0


@pytest.mark.fault(24)
def test_while_services_are_gone_a_process_asks_three_times_a_second_over_all_of_them():
    clock = Clock()
    turns = Turns(clock, clock.sleep)
    lines = [Line(turns) for _ in range(4)]
    for line in lines:
        for _ in range(IN_A_ROW):
            line.failed()
    asked = []
    while clock.time < 10:
        asked.extend(clock.time for line in lines if line.open())
        clock.time += 0.01

    assert MOST_PER_S * 9 <= len(asked) <= MOST_PER_S * 11


def test_who_would_wait_too_long_for_a_turn_is_told_at_once():
    clock = Clock()
    turns = Turns(clock, lambda seconds: None)
    assert [turns.take() for _ in range(6)] == [True, True, True, True, False, False]


@pytest.mark.fault(24)
def test_threads_of_a_process_do_not_storm_a_service_that_is_gone(service):
    """Sixteen threads that ask without a pause."""
    service.answer = lambda request: Answer(503)
    transport, told = CountingTransport(service.url), []
    until = time.monotonic() + 3.0

    def storm():
        while time.monotonic() < until:
            try:
                transport.send(HttpRequest("GET", service.url))
            except ServiceRequestError as error:
                told.append(str(error))
                time.sleep(0.01)

    threads = [threading.Thread(target=storm) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    at_first = IN_A_ROW + len(threads)  # those that were on their way when it was found out
    assert "has not answered for" in told[-1]
    assert len(service.requests) <= at_first + MOST_PER_S * 4 + 1


def test_the_policy_hands_on_what_is_no_matter_of_waiting():
    class Refusing:
        def send(self, request):
            raise ValueError("not Azure's")

    policy = AskAgain(BRIEF)
    policy.next = Refusing()
    request = type(
        "R", (), {"http_request": HttpRequest("GET", "http://x"), "context": type("C", (), {"options": {}})()}
    )()
    with pytest.raises(ValueError, match="not Azure's"):
        policy.send(request)
