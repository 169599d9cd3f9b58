"""Queue triggers under the local host: delivery, retries, dequeue counts, poison, concurrency."""

import base64
import time

import httpx
import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue import QueueClient
from hosting import running_host

from localcloud.azurite import running_azurite

pytestmark = [pytest.mark.azurite, pytest.mark.xdist_group("host")]


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.fixture
def poison(azurite):
    with QueueClient.from_connection_string(azurite.system_connection, "work-poison") as client:
        yield client


def texts(queue):
    try:
        return [message.content for message in queue.peek_messages(32)]
    except ResourceNotFoundError:
        return []


def test_a_message_calls_the_function_within_milliseconds(host, work, wait_until):
    delays = []
    for number in range(10):
        sent = time.time()
        work.send_message(encoded(f"quick {number}"))
        wait_until(lambda number=number: host.notes.all("message", body=f"quick {number}"), every_s=0.001)
        delays.append(host.notes.all("message", body=f"quick {number}")[0]["at"] - sent)
    assert sorted(delays)[5] < 0.2, "the median, send included; polling alone would take a second"


def test_a_handled_message_is_gone(host, work, wait_until):
    work.send_message(encoded("once"))
    wait_until(lambda: host.notes.all("message", body="once"))
    wait_until(lambda: work.get_queue_properties().approximate_message_count == 0)
    assert [note["count"] for note in host.notes.all("message", body="once")] == [1]


def test_a_failing_message_is_tried_again_at_once(host, work, wait_until):
    work.send_message(encoded("fail once"))
    wait_until(lambda: len(host.notes.all("message", body="fail once")) == 2)
    first, second = host.notes.all("message", body="fail once")
    assert (first["count"], second["count"]) == (1, 2)
    assert second["at"] - first["at"] < 1.0


def test_a_message_that_keeps_failing_goes_to_the_poison_queue_unchanged(host, work, poison, wait_until):
    work.send_message(encoded("fail"))
    wait_until(lambda: encoded("fail") in texts(poison))
    assert [note["count"] for note in host.notes.all("message", body="fail")] == [1, 2, 3], "maxDequeueCount is 3"
    wait_until(lambda: work.get_queue_properties().approximate_message_count == 0)


def test_a_message_that_is_not_base64_goes_to_the_poison_queue_at_once(host, work, poison, wait_until):
    work.send_message("plain <text> & more")
    wait_until(lambda: "plain <text> & more" in texts(poison))
    assert not host.notes.all("message", body="plain <text> & more")


def test_messages_are_handled_side_by_side_up_to_batch_size_and_threshold(host, work, wait_until):
    for number in range(8):
        work.send_message(encoded(f"slow {number}"))
    wait_until(lambda: len([n for n in host.notes.all("message done") if n["body"].startswith("slow")]) == 8)
    begun = [(n["at"], 1) for n in host.notes.all("message") if n["body"].startswith("slow")]
    ended = [(n["at"], -1) for n in host.notes.all("message done") if n["body"].startswith("slow")]
    running, most = 0, 0
    for _, change in sorted(begun + ended):
        running += change
        most = max(most, running)
    assert 3 <= most <= 6, "a batch of 4, and 4 more once 2 are left"


def test_the_function_sees_id_count_and_times_of_its_message(host, work, wait_until):
    sent = work.send_message(encoded("who am I"))
    wait_until(lambda: host.notes.all("message", body="who am I"))
    (note,) = host.notes.all("message", body="who am I")
    assert note["id"] == sent.id
    assert note["inserted"] == sent.inserted_on.timestamp()


def test_messages_are_found_without_events(azurite, tmp_path, wait_until):
    with (
        QueueClient.from_connection_string(azurite.system_connection, "quiet") as quiet,
        running_host(tmp_path, azurite, events=False, SampleQueue="quiet") as host,
    ):
        quiet.create_queue()
        quiet.send_message(encoded("nobody told"))
        wait_until(lambda: host.notes.all("message", body="nobody told"))


def test_a_message_of_a_killed_host_comes_back(azurite, tmp_path, wait_until):
    with QueueClient.from_connection_string(azurite.system_connection, "killed") as killed:
        killed.create_queue()
        killed.send_message(encoded("slow and killed"))
        with running_host(tmp_path, azurite, arguments=("--message-lease", "1"), SampleQueue="killed") as first:
            wait_until(lambda: first.notes.all("message", body="slow and killed"))
            first.kill()
        with running_host(tmp_path, azurite, SampleQueue="killed") as second:
            wait_until(lambda: second.notes.all("message done", body="slow and killed"))
            counts = [note["count"] for note in second.notes.all("message", body="slow and killed")]
            assert counts == [1, 2]


def test_the_lease_of_a_message_is_kept_while_its_function_runs(azurite, tmp_path, wait_until):
    with (
        QueueClient.from_connection_string(azurite.system_connection, "kept") as kept,
        running_host(tmp_path, azurite, arguments=("--message-lease", "1"), SampleQueue="kept") as host,
    ):
        kept.create_queue()
        kept.send_message(encoded("slower"))
        wait_until(lambda: host.notes.all("message done", body="slower"))
        wait_until(lambda: kept.get_queue_properties().approximate_message_count == 0)
        assert [note["count"] for note in host.notes.all("message", body="slower")] == [1]


def test_an_idle_host_asks_storage_less_than_five_times_a_second(tmp_path, wait_until):
    with running_azurite(tmp_path / "azurite") as alone, running_host(tmp_path / "host", alone) as host:

        def requests() -> int:
            return int(httpx.get(alone.events_url.replace("/events", "/requests")).text)

        wait_until(lambda: requests() > 3)
        begun, before = time.monotonic(), requests()
        wait_until(lambda: time.monotonic() > begun + 4, within_s=10)
        assert host.process.poll() is None
        assert 0 < (requests() - before) / 4 < 5
