"""What every message queue must do, in memory and in Azure's emulator alike."""

import pytest

from dropscore.contracts.errors import LeaseLostError, PermanentCloudError
from dropscore.contracts.names import QueueName

QUEUE = QueueName.SHARDS_NORMAL


def bodies(messages):
    return [message.body for message in messages]


def receive(storage, count=32, lease_s=30.0):
    return storage.queue.receive(QUEUE, count=count, lease_s=lease_s)


def test_messages_come_in_the_order_sent_and_are_then_hidden(storage):
    for number in range(5):
        storage.queue.send(QUEUE, b"%d" % number)

    first = receive(storage, count=3)

    assert bodies(first) == [b"0", b"1", b"2"]
    assert bodies(receive(storage)) == [b"3", b"4"]
    assert receive(storage) == []


@pytest.mark.parametrize("body", [b"", b"\x00\xff binary", '{"name": "\u00e4<&>"}'.encode(), b"x" * 2048])
def test_a_body_is_kept_byte_for_byte(storage, body):
    storage.queue.send(QUEUE, body)

    (message,) = receive(storage)

    assert message.body == body
    assert message.dequeue_count == 1
    assert message.queue is QUEUE


def test_a_message_over_the_services_limit_is_refused(storage):
    with pytest.raises(PermanentCloudError):
        storage.queue.send(QUEUE, b"x" * 49_153)

    storage.queue.send(QUEUE, b"x" * 49_152)
    assert storage.queue.depth(QUEUE) == 1


def test_one_call_gives_thirty_two_messages_at_most(storage):
    storage.queue.send_many(QUEUE, [b"x"] * 40)

    assert len(receive(storage, count=32)) == 32
    assert len(receive(storage, count=32)) == 8


@pytest.mark.parametrize("count", [0, 33])
def test_a_call_for_none_or_too_many_is_a_mistake(storage, count):
    with pytest.raises(ValueError, match="1 to 32"):
        receive(storage, count=count)


def test_send_many_puts_each_message_once(storage):
    sent = [b"%03d" % number for number in range(100)]

    assert storage.queue.send_many(QUEUE, sent) == 100

    received = [message for _ in range(4) for message in receive(storage)]
    assert sorted(bodies(received)) == sent


def test_send_many_of_nothing_sends_nothing(storage):
    assert storage.queue.send_many(QUEUE, []) == 0
    assert storage.queue.depth(QUEUE) == 0


def test_a_lease_that_runs_out_gives_the_message_to_the_next_reader(storage):
    storage.queue.send(QUEUE, b"work")
    (stale,) = receive(storage, lease_s=1)

    (again,) = storage.eventually(lambda: receive(storage))

    assert again.message_id == stale.message_id
    assert again.dequeue_count == 2
    with pytest.raises(LeaseLostError):
        storage.queue.extend(stale, lease_s=30)
    assert storage.queue.delete(stale) is False
    assert storage.queue.delete(again) is True


def test_a_lease_that_ran_out_unnoticed_can_still_be_used(storage):
    storage.queue.send(QUEUE, b"work")
    (message,) = receive(storage, lease_s=1)

    storage.let_pass(1.2)

    assert storage.queue.delete(storage.queue.extend(message, lease_s=1)) is True


def test_extending_keeps_a_message_hidden_and_changes_its_receipt(storage):
    storage.queue.send(QUEUE, b"work")
    (message,) = receive(storage, lease_s=1)

    extended = storage.queue.extend(message, lease_s=30)

    assert (extended.body, extended.dequeue_count) == (b"work", 1)
    assert extended.receipt != message.receipt
    with pytest.raises(LeaseLostError):
        storage.queue.extend(message, lease_s=30)
    assert storage.queue.delete(message) is False
    assert receive(storage) == []
    assert storage.queue.delete(extended) is True


def test_a_message_given_back_is_there_at_once(storage):
    storage.queue.send(QUEUE, b"work")
    (message,) = receive(storage, lease_s=30)

    storage.queue.extend(message, lease_s=0)

    (again,) = storage.eventually(lambda: receive(storage))
    assert again.dequeue_count == 2


def test_a_deleted_message_is_gone_for_good(storage):
    storage.queue.send(QUEUE, b"work")
    (message,) = receive(storage)

    assert storage.queue.delete(message) is True
    assert storage.queue.delete(message) is False
    with pytest.raises(LeaseLostError):
        storage.queue.extend(message, lease_s=1)
    assert storage.queue.depth(QUEUE) == 0


def test_a_delayed_message_comes_later(storage):
    storage.queue.send(QUEUE, b"later", delay_s=1)
    assert receive(storage) == []

    (message,) = storage.eventually(lambda: receive(storage))

    assert message.body == b"later"


def test_depth_counts_leased_messages_too(storage):
    storage.queue.send_many(QUEUE, [b"a", b"b", b"c"])
    receive(storage, count=2)

    assert storage.queue.depth(QUEUE) == 3


def test_queues_do_not_mix(storage):
    storage.queue.send(QueueName.SHARDS_URGENT, b"urgent")

    assert receive(storage) == []
    assert len(storage.queue.receive(QueueName.SHARDS_URGENT, count=1, lease_s=1)) == 1


def test_operations_are_counted_by_kind(storage):
    storage.queue.send(QUEUE, b"a")
    storage.queue.send_many(QUEUE, [b"b", b"c"])
    message, *_ = receive(storage)
    message = storage.queue.extend(message, lease_s=5)
    storage.queue.delete(message)
    storage.queue.depth(QUEUE)

    assert storage.operations.counts() == {
        "queue.put": 3,
        "queue.get": 1,
        "queue.update": 1,
        "queue.delete": 1,
        "queue.depth": 1,
    }
    assert set(storage.operations.targets("queue.put")) == {QUEUE}


def test_looking_at_messages_neither_leases_nor_counts_them(storage):
    for number in range(40):
        storage.queue.send(QUEUE, b"%d" % number)
    receive(storage, count=2)

    seen = storage.queue.peek(QUEUE, count=32)

    assert bodies(seen) == [b"%d" % number for number in range(2, 34)]
    assert all(message.sent_at.endswith("Z") for message in seen)
    (first,) = receive(storage, count=1)
    assert (first.message_id, first.dequeue_count) == (seen[0].message_id, 1)


def test_what_is_leased_or_delayed_is_not_seen(storage):
    storage.queue.send(QUEUE, b"leased")
    receive(storage, count=1)
    storage.queue.send(QUEUE, b"later", delay_s=60)

    assert storage.queue.peek(QUEUE, count=32) == []
