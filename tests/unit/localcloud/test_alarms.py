"""Calls that are due later."""

import threading
import time

import pytest

from localcloud.durable.alarms import Alarms


@pytest.fixture
def alarms():
    alarms = Alarms()
    yield alarms
    alarms.close()


def test_calls_are_made_in_the_order_of_their_time(alarms):
    made, last = [], threading.Event()
    alarms.after(0.06, last.set)
    for delay_s, name in ((0.04, "third"), (0.0, "first"), (0.02, "second")):
        alarms.after(delay_s, lambda name=name: made.append(name))
    assert last.wait(5)
    assert made == ["first", "second", "third"]


def test_a_call_is_made_at_its_time_and_not_before(alarms):
    made = threading.Event()
    begun = time.monotonic()
    alarms.after(0.05, made.set)
    assert made.wait(5)
    assert 0.05 <= time.monotonic() - begun < 3


def test_a_cancelled_call_is_never_made(alarms):
    made, later = [], threading.Event()
    alarms.after(0.01, lambda: made.append(1)).cancel()
    alarms.after(0.03, later.set)
    assert later.wait(5)
    assert made == []


def test_an_earlier_alarm_is_not_held_up_by_a_later_one(alarms):
    made = threading.Event()
    alarms.after(60, lambda: None)
    alarms.after(0.01, made.set)
    assert made.wait(2)


def test_nothing_is_called_after_close():
    alarms, made = Alarms(), []
    alarms.after(0.02, lambda: made.append(1))
    alarms.close()
    assert made == []
    assert not any(thread.name == "alarms" for thread in threading.enumerate())
