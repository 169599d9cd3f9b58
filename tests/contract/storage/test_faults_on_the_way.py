"""What the Azure adapters do when requests or answers are lost; the emulator stands behind them."""

import threading
import time
import uuid

import pytest
from azure.core.exceptions import ServiceRequestError, ServiceResponseError

from dropscore.cloud.azure_queue import connect_queue
from dropscore.cloud.azure_setup import create_containers_and_queues
from dropscore.cloud.connect import connect_storage
from dropscore.cloud.operations import Operations
from dropscore.contracts import layout
from dropscore.contracts.errors import AccessDeniedError, PreconditionError, TransientCloudError
from dropscore.contracts.names import Account, QueueName

pytestmark = [pytest.mark.azurite, pytest.mark.xdist_group("azurite")]

QUEUE = QueueName.SHARDS_NORMAL


@pytest.fixture
def path():
    """A verdict of this test alone."""
    return layout.verdict(f"r-{uuid.uuid4().hex[:12]}", 0)


@pytest.fixture
def other(azurite_storages):
    """A second client, for what happens behind the first one's back."""
    return connect_storage(azurite_storages[Account.DATA], azurite_storages[Account.SYSTEM])


def lose_the_answer(storage, commit):
    """The next request takes effect (by `commit`), but its answer is lost."""

    def interrupt(operation):
        storage.operations.interrupt = None
        commit()
        raise ServiceResponseError("connection reset")

    storage.operations.interrupt = interrupt


def test_a_create_whose_answer_was_lost_is_ours(azurite, other, path):
    lose_the_answer(azurite, lambda: other.blobs.put(path, b"ours"))

    assert azurite.blobs.create(path, b"ours") is True


def test_a_create_that_lost_against_another_writer_is_not_ours(azurite, other, path):
    lose_the_answer(azurite, lambda: other.blobs.put(path, b"theirs"))

    assert azurite.blobs.create(path, b"ours") is False
    assert azurite.blobs.get(path).data == b"theirs"


def test_a_create_that_is_refused_at_once_reads_nothing_back(azurite, path):
    azurite.blobs.create(path, b"ours")
    azurite.operations.clear()

    assert azurite.blobs.create(path, b"ours") is False
    assert azurite.operations.counts() == {"blob.put": 1}


def test_a_conditional_put_whose_answer_was_lost_is_ours(azurite, other, path):
    etag = azurite.blobs.put(path, b"one")
    written = []
    lose_the_answer(azurite, lambda: written.append(other.blobs.put(path, b"two", if_match=etag)))

    assert azurite.blobs.put(path, b"two", if_match=etag) == written[0]


def test_a_conditional_put_that_lost_against_another_writer_is_refused(azurite, other, path):
    etag = azurite.blobs.put(path, b"one")
    lose_the_answer(azurite, lambda: other.blobs.put(path, b"theirs"))

    with pytest.raises(PreconditionError):
        azurite.blobs.put(path, b"two", if_match=etag)


def test_a_blob_that_vanished_after_a_lost_answer_is_not_ours(azurite, other, path):
    etag = azurite.blobs.put(path, b"one")
    lose_the_answer(azurite, lambda: other.blobs.delete(path))

    with pytest.raises(PreconditionError):
        azurite.blobs.put(path, b"two", if_match=etag)


def test_one_lost_request_is_sent_again(azurite, path):
    def interrupt(operation):
        azurite.operations.interrupt = None
        raise ServiceRequestError("connection refused")

    azurite.operations.interrupt = interrupt
    azurite.blobs.put(path, b"one")

    assert azurite.blobs.get(path).data == b"one"
    assert azurite.operations.counts()["blob.put"] == 2


def test_storage_that_does_not_answer_is_transient_after_two_seconds_of_asking(azurite, path):
    def interrupt(operation):
        raise ServiceRequestError("connection refused")

    azurite.operations.interrupt = interrupt
    began = time.monotonic()
    with pytest.raises(TransientCloudError, match=f"could not read {path}: connection refused"):
        azurite.blobs.get(path)

    assert time.monotonic() - began <= 5
    assert 3 <= azurite.operations.counts()["blob.get"] <= 6


def test_a_message_that_is_no_base64_comes_as_it_is(azurite, azurite_storages):
    from dropscore.cloud.azure_queue import queue_service

    with queue_service(azurite_storages[Account.SYSTEM]) as service:
        service.get_queue_client(QUEUE).send_message("{not base64}")

    (message,) = azurite.queue.receive(QUEUE, count=1, lease_s=30)

    assert message.body == b"{not base64}"


def test_send_many_stops_when_its_time_is_over_and_says_how_far_it_came(azurite, azurite_storages):
    queue = connect_queue(azurite_storages, send_limit_s=0.0)

    sent = queue.send_many(QUEUE, [b"%03d" % number for number in range(100)])

    assert 1 <= sent < 100
    assert queue.depth(QUEUE) == sent
    bodies = {message.body for message in queue.receive(QUEUE, count=32, lease_s=30)}
    assert bodies == {b"%03d" % number for number in range(sent)}


def test_send_many_tells_how_far_it_came_before_a_failure(azurite_storages, azurite):
    operations = Operations()
    queue = connect_queue(azurite_storages, operations)
    guard = threading.Lock()
    passed = []

    def interrupt(operation):
        with guard:
            if len(passed) >= 40:
                raise ServiceRequestError("connection refused")
            passed.append(operation)

    operations.interrupt = interrupt
    sent = queue.send_many(QUEUE, [b"%03d" % number for number in range(100)])

    assert 1 <= sent <= 40
    present = [m.body for _ in range(2) for m in azurite.queue.receive(QUEUE, count=32, lease_s=30)]
    assert {b"%03d" % number for number in range(sent)} <= set(present)


def test_send_many_raises_when_not_even_the_first_message_went(azurite_storages, azurite):
    operations = Operations()
    queue = connect_queue(azurite_storages, operations)

    def interrupt(operation):
        raise ServiceRequestError("connection refused")

    operations.interrupt = interrupt
    with pytest.raises(TransientCloudError):
        queue.send_many(QUEUE, [b"1", b"2"])


def test_without_settings_of_an_account_its_blobs_and_queues_are_refused(azurite_storages, path):
    cloud = connect_storage(azurite_storages[Account.DATA], None)

    assert list(cloud.accounts) == [Account.DATA]
    cloud.blobs.put(layout.input_file("x"), b"x")
    with pytest.raises(AccessDeniedError, match="no settings for the system account"):
        cloud.blobs.get(path)
    with pytest.raises(AccessDeniedError, match="no settings for the system account"):
        cloud.queue.send(QUEUE, b"x")


def test_a_wrong_key_is_access_denied(azurite_storages, path):
    from dataclasses import replace

    wrong = replace(azurite_storages[Account.SYSTEM], key="d3Jvbmc=")
    cloud = connect_storage(azurite_storages[Account.DATA], wrong)

    with pytest.raises(AccessDeniedError) as error:
        cloud.blobs.get(path)
    assert "d3Jvbmc=" not in str(error.value)


def test_setting_up_again_changes_nothing(azurite, azurite_storages, path):
    azurite.blobs.put(path, b"kept")

    create_containers_and_queues(azurite_storages)

    assert azurite.blobs.get(path).data == b"kept"
