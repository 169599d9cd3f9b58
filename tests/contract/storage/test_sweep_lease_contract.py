"""That one host sweeps at a time holds over both storages: by ETags and the service's own time."""

import threading
from datetime import datetime

import pytest

from activities.sweeping import lease as lease_module
from activities.sweeping.lease import SweepLease
from dropscore.cloud.clock import ManualClock, SystemClock
from dropscore.cloud.service_time import service_time
from dropscore.contracts import layout


@pytest.fixture(autouse=True)
def free(storage):
    """Nobody has ever swept."""
    storage.blobs.delete(layout.sweep_state())


@pytest.fixture(autouse=True)
def quickly(monkeypatch):
    """A lease runs out in a few seconds: the service tells its time in whole ones."""
    monkeypatch.setattr(lease_module, "LEASE_S", 5.0)


def a_lease(storage, host, clock=None):
    return SweepLease(storage.blobs, clock or SystemClock(), host=host)


def test_a_lease_is_taken_kept_and_given_back(storage):
    first, second = a_lease(storage, "one"), a_lease(storage, "two")
    assert first.take() is not None
    assert second.take() is None
    assert first.keep()
    first.give_back()
    assert second.take() is not None
    assert not first.keep(), "what was given back is another's"


def test_a_lease_whose_holder_says_nothing_runs_out_by_the_services_time(storage):
    dead = a_lease(storage, "one")
    assert dead.take() is not None
    late = a_lease(storage, "two", ManualClock("2031-01-01T00:00:00.000000Z"))
    assert storage.eventually(late.take) is not None
    assert late.state.host == "two"


def test_of_many_that_try_at_once_one_sweeps(storage):
    taken = []
    leases = [a_lease(storage, str(number)) for number in range(8)]
    threads = [threading.Thread(target=lambda lease=lease: taken.append(lease.take())) for lease in leases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(time is not None for time in taken) == 1


def test_the_services_time_is_read_from_what_it_wrote(storage):
    clock = ManualClock("2031-01-01T00:00:00.000000Z")
    first = service_time(storage.blobs, clock)
    clock.advance(5)
    assert (first.now() - first.at).total_seconds() == 5
    storage.let_pass(1.5)
    second = service_time(storage.blobs, clock)
    assert 0 < (second.at - first.at).total_seconds() < 60
    assert isinstance(datetime.fromisoformat(second.at.isoformat()), datetime)
