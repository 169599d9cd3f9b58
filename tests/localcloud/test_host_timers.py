"""Timer triggers under the local host."""

import itertools

import pytest
from hosting import running_host

pytestmark = [pytest.mark.azurite, pytest.mark.xdist_group("host")]


def test_a_timer_calls_at_each_time_of_its_schedule(azurite, tmp_path, wait_until):
    settings = {"SampleSchedule": "* * * * * *", "SampleQueue": "none", "SampleContainer": "none"}
    with running_host(tmp_path, azurite, events=False, **settings) as host:
        wait_until(lambda: len(host.notes.all("timer")) >= 3)
    calls = host.notes.all("timer")
    assert all(call["at"] % 1 < 0.5 for call in calls), "right after each full second"
    assert all(later["at"] - earlier["at"] > 0.5 for earlier, later in itertools.pairwise(calls))
    assert not any(call["past_due"] for call in calls)
    assert set(calls[0]["status"]) == {"Last", "Next", "LastUpdated"}
