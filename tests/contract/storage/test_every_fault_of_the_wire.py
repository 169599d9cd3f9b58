"""Each operation of the Azure adapters under each fault of the way: what was asked for has happened, once, or is said
not to have. The emulator stands behind them; a second, untroubled client looks.
"""

import io
import time
import uuid
from collections import deque
from dataclasses import dataclass, field, replace

import pytest

from dropscore.cloud.azure_blobs import AzureBlobs, blob_service
from dropscore.cloud.azure_queue import AzureQueue, queue_service
from dropscore.cloud.patience import Patience
from dropscore.contracts import layout
from dropscore.contracts.errors import (
    AccessDeniedError,
    LeaseLostError,
    PreconditionError,
    StorageFullError,
    TransientCloudError,
)
from dropscore.contracts.names import QueueName
from localcloud.weather.schedule import Fault
from localcloud.weather.spec import ANY_TIME, Kind, Spec
from localcloud.weather.wire import FaultyAdapter

pytestmark = [pytest.mark.azurite, pytest.mark.xdist_group("azurite")]

QUEUE = QueueName.SHARDS_NORMAL
AFTER_THE_EFFECT = 0.9
"""With this share a timeout comes when the request has already taken effect."""
QUICK = Patience(within_s=2.0, first_s=0.01)
BROKEN = (Kind.CUT, Kind.SHORT)
NO_ANSWER = (Kind.RESET, Kind.LOST, Kind.TIMEOUT)


@dataclass
class Script:
    """Gives the faults named, one to each request, and none after."""

    spec: Spec = field(default_factory=lambda: Spec(retry_after_s=0.05, slow_s=0.02))
    left: deque = field(default_factory=deque)
    met: list = field(default_factory=list)

    def then(self, *kinds, share=0.5):
        self.left.extend(Fault(kind=kind, share=share) for kind in kinds)

    def fault(self, kind, target):
        fault = self.left.popleft() if self.left else None
        self.met.append((kind, fault and fault.kind))
        return fault


@dataclass
class Wire:
    """Adapters whose requests meet a script's faults, and the untroubled ones beside them."""

    script: Script
    blobs: AzureBlobs
    queue: AzureQueue
    clear: object


def adapters(storages, script, **how):
    blobs = {account: blob_service(storage, **how) for account, storage in storages.items()}
    queues = {account: queue_service(storage, **how) for account, storage in storages.items()}
    for service in (*blobs.values(), *queues.values()):
        service._pipeline._transport.session.mount("http://", FaultyAdapter(script))
    return AzureBlobs(blobs), AzureQueue(queues)


@pytest.fixture
def wire(azurite, azurite_storages):
    script = Script()
    blobs, queue = adapters(azurite_storages, script, patience=QUICK)
    return Wire(script=script, blobs=blobs, queue=queue, clear=azurite)


@pytest.fixture(
    params=[(kind, 0.4) for kind in ANY_TIME] + [(Kind.TIMEOUT, AFTER_THE_EFFECT)],
    ids=lambda one: f"{one[0]}{' too late' * (one[1] == AFTER_THE_EFFECT)}",
)
def trouble(request):
    """One fault of each kind."""
    return request.param


@pytest.fixture
def path():
    return layout.verdict(f"r-{uuid.uuid4().hex[:12]}", 0)


def trouble_twice(wire, trouble):
    """The next two requests meet it; one, where it breaks a body: an answer that has none is as it should be."""
    kind, share = trouble
    wire.script.then(*[kind] * (1 if kind in BROKEN else 2), share=share)


# --- blobs


@pytest.mark.fault(24)
def test_put_has_written_and_tells_the_present_version(wire, path, trouble):
    trouble_twice(wire, trouble)
    etag = wire.blobs.put(path, b"ours", metadata={"a": "1"})

    assert wire.clear.blobs.get(path).etag == etag
    assert wire.clear.blobs.get(path).data == b"ours"
    assert wire.clear.blobs.head(path).metadata == {"a": "1"}


@pytest.mark.fault(24)
def test_a_small_body_that_breaks_is_asked_for_again_as_soon_as_anything_else(wire, path, monkeypatch):
    """Azure's client would wait a second before it reads again."""
    pauses, sleep = [], time.sleep
    monkeypatch.setattr(time, "sleep", lambda seconds: (pauses.append(seconds), sleep(seconds)))
    wire.clear.blobs.put(path, b"ours")
    wire.script.then(Kind.CUT, Kind.CUT)

    assert wire.blobs.get(path).data == b"ours"
    assert len(pauses) == 2
    assert max(pauses) <= QUICK.first_s * 2


@pytest.mark.fault(25)
def test_create_has_created_and_knows_its_own_work(wire, path, trouble):
    trouble_twice(wire, trouble)
    assert wire.blobs.create(path, b"ours") is True
    assert wire.clear.blobs.get(path).data == b"ours"


@pytest.mark.fault(25)
def test_create_that_came_second_says_so(wire, path, trouble):
    wire.clear.blobs.put(path, b"theirs")
    trouble_twice(wire, trouble)
    assert wire.blobs.create(path, b"ours") is False
    assert wire.clear.blobs.get(path).data == b"theirs"


@pytest.mark.fault(25)
def test_conditional_put_has_written_once_and_tells_the_present_version(wire, path, trouble):
    etag = wire.clear.blobs.put(path, b"one")
    trouble_twice(wire, trouble)
    new = wire.blobs.put(path, b"two", if_match=etag)

    assert wire.clear.blobs.get(path).data == b"two"
    assert wire.clear.blobs.get(path).etag == new != etag


@pytest.mark.fault(25)
def test_conditional_put_on_a_version_that_is_gone_is_refused(wire, path, trouble):
    stale = wire.clear.blobs.put(path, b"one")
    wire.clear.blobs.put(path, b"theirs")
    trouble_twice(wire, trouble)
    with pytest.raises(PreconditionError):
        wire.blobs.put(path, b"two", if_match=stale)
    assert wire.clear.blobs.get(path).data == b"theirs"


@pytest.mark.fault(24)
@pytest.mark.parametrize("size", [1, 100_000])
def test_reads_are_whole(wire, path, trouble, size):
    data = bytes(range(256)) * (size // 256) + b"x"
    etag = wire.clear.blobs.put(path, data)
    for read in (
        lambda: wire.blobs.get(path, if_match=etag).data,
        lambda: wire.blobs.get_range(path, 0, len(data) + 10, if_match=etag),
    ):
        trouble_twice(wire, trouble)
        assert read() == data
    trouble_twice(wire, trouble)
    assert wire.blobs.head(path).size_bytes == len(data)


@pytest.mark.fault(24)
def test_a_read_in_several_requests_is_whole(wire, trouble):
    """Above 32 MB a blob is read in blocks side by side."""
    film = layout.input_file(f"{uuid.uuid4().hex}.mp4")
    data = uuid.uuid4().bytes * (33 * 1024 * 1024 // 16)
    wire.clear.blobs.put(film, data)
    kind, share = trouble
    wire.script.left.extend([None, Fault(kind=kind, share=share), None])
    assert wire.blobs.get(film).data == data


@pytest.mark.fault(24)
def test_a_listing_is_whole(wire, path, trouble):
    names = [layout.verdict(path.name.split("/")[0], number) for number in range(30)]
    for name in names:
        wire.clear.blobs.put(name, b"{}")
    trouble_twice(wire, trouble)
    assert [info.path for info in wire.blobs.list(layout.verdicts_prefix(path.name.split("/")[0]))] == names


@pytest.mark.fault(24)
@pytest.mark.parametrize("size", [100_000, 41_000_000])
def test_an_upload_is_whole(wire, trouble, size):
    film = layout.output(uuid.uuid4().hex, "film.mp4")
    data = uuid.uuid4().bytes * (size // 16)
    trouble_twice(wire, trouble)
    etag = wire.blobs.upload(film, io.BytesIO(data))

    assert wire.clear.blobs.get(film).data == data
    assert wire.clear.blobs.head(film).etag == etag


@pytest.mark.fault(24)
def test_a_copy_is_whole(wire, trouble):
    run = uuid.uuid4().hex
    wire.clear.blobs.put(layout.output(run, "a"), b"film")
    trouble_twice(wire, trouble)
    wire.blobs.copy(layout.output(run, "a"), layout.output(run, "b"))
    assert wire.clear.blobs.get(layout.output(run, "b")).data == b"film"


@pytest.mark.fault(25)
def test_a_deleted_blob_is_gone_and_we_know_that_we_did_it(wire, path, trouble):
    wire.clear.blobs.put(path, b"one")
    trouble_twice(wire, trouble)
    assert wire.blobs.delete(path) is True
    assert wire.clear.blobs.head(path) is None
    assert wire.blobs.delete(path) is False


# --- messages


@pytest.mark.fault(24)
def test_a_sent_message_is_there_perhaps_more_than_once(wire, trouble):
    trouble_twice(wire, trouble)
    wire.queue.send(QUEUE, b"shard")
    assert {message.body for message in wire.clear.queue.receive(QUEUE, count=32, lease_s=30)} == {b"shard"}


@pytest.mark.fault(24)
def test_of_many_messages_none_is_missing(wire, trouble):
    bodies = [b"%03d" % number for number in range(20)]
    trouble_twice(wire, trouble)
    assert wire.queue.send_many(QUEUE, bodies) == 20
    assert {m.body for m in wire.clear.queue.receive(QUEUE, count=32, lease_s=30)} == set(bodies)


@pytest.mark.fault(24)
def test_messages_whose_delivery_was_lost_come_again(wire, trouble):
    for number in range(3):
        wire.clear.queue.send(QUEUE, b"%d" % number)
    trouble_twice(wire, trouble)
    seen, receipts = set(), {}

    def look():
        try:
            for message in wire.queue.receive(QUEUE, count=32, lease_s=1):
                seen.add(message.body)
                receipts[message.body] = message
        except TransientCloudError:
            return False
        return len(seen) == 3

    wire.clear.eventually(look)
    assert all(wire.queue.delete(message) for message in receipts.values())
    assert wire.clear.queue.depth(QUEUE) == 0


@pytest.mark.fault(25)
def test_an_extended_lease_is_ours_under_its_new_receipt_or_said_to_be_lost(wire, trouble):
    wire.clear.queue.send(QUEUE, b"shard")
    (message,) = wire.clear.queue.receive(QUEUE, count=1, lease_s=2)
    kind, share = trouble
    wire.script.then(kind, share=share)
    answer_lost = kind is Kind.LOST or share == AFTER_THE_EFFECT
    if answer_lost:
        with pytest.raises(LeaseLostError):
            wire.queue.extend(message, lease_s=30)
        assert wire.queue.delete(message) is False, "nobody knows the receipt"
        assert wire.clear.queue.receive(QUEUE, count=1, lease_s=1) == [], "the lease was extended even so"
    else:
        extended = wire.queue.extend(message, lease_s=30)
        assert extended.receipt != message.receipt
        assert wire.queue.delete(extended) is True


@pytest.mark.fault(25)
def test_a_message_given_back_is_seen_at_once(wire, trouble):
    wire.clear.queue.send(QUEUE, b"shard")
    (message,) = wire.clear.queue.receive(QUEUE, count=1, lease_s=30)
    kind, share = trouble
    wire.script.then(kind, share=share)
    try:
        wire.queue.extend(message, lease_s=0)
    except LeaseLostError:
        assert kind in NO_ANSWER
    assert wire.clear.eventually(lambda: wire.clear.queue.receive(QUEUE, count=1, lease_s=1))


@pytest.mark.fault(25)
def test_a_deleted_message_is_gone_and_we_know_that_we_did_it(wire, trouble):
    wire.clear.queue.send(QUEUE, b"shard")
    (message,) = wire.clear.queue.receive(QUEUE, count=1, lease_s=30)
    trouble_twice(wire, trouble)
    assert wire.queue.delete(message) is True
    assert wire.clear.queue.depth(QUEUE) == 0
    assert wire.queue.delete(message) is False


@pytest.mark.fault(25)
def test_a_message_that_somebody_else_has_is_not_deleted_by_asking_twice(wire, wait_until):
    wire.clear.queue.send(QUEUE, b"shard")
    (message,) = wire.clear.queue.receive(QUEUE, count=1, lease_s=1)
    wait_until(lambda: wire.clear.queue.receive(QUEUE, count=1, lease_s=30))
    wire.script.then(Kind.RESET)
    assert wire.queue.delete(message) is False
    assert wire.clear.queue.depth(QUEUE) == 1


@pytest.mark.fault(24)
def test_the_depth_of_a_queue_is_told(wire, trouble):
    wire.clear.queue.send(QUEUE, b"shard")
    trouble_twice(wire, trouble)
    assert wire.queue.depth(QUEUE) == 1


# --- answers lost again and again


@pytest.mark.fault(25)
def test_a_write_of_which_nothing_was_heard_is_known_as_ours_when_it_is_asked_for_again(wire, path):
    """The write's answer and all that follows are lost, and the call ends; the next call is a new request."""
    wire.script.then(*[Kind.LOST] * 40)
    with pytest.raises(TransientCloudError):
        wire.blobs.create(path, b"ours")
    assert wire.clear.blobs.get(path).data == b"ours"
    wire.script.left.clear()

    assert wire.blobs.create(path, b"ours") is True
    assert wire.blobs.create(path, b"ours") is False, "from now on there is no doubt"


@pytest.mark.fault(25)
def test_a_write_in_doubt_that_somebody_else_made_is_not_ours(wire, path):
    wire.script.then(*[Kind.RESET] * 40)
    with pytest.raises(TransientCloudError):
        wire.blobs.create(path, b"ours")
    wire.script.left.clear()
    wire.clear.blobs.create(path, b"theirs")

    assert wire.blobs.create(path, b"ours") is False


@pytest.mark.fault(25)
def test_a_read_back_that_fails_leaves_the_doubt(wire, path):
    wire.script.then(Kind.LOST)
    wire.script.left.append(None)  # the repetition is answered: it exists
    wire.script.then(*[Kind.REFUSE] * 40)
    with pytest.raises(TransientCloudError):
        wire.blobs.create(path, b"ours")
    wire.script.left.clear()

    assert wire.blobs.create(path, b"ours") is True


# --- waiting


@pytest.mark.fault(24)
def test_a_service_that_says_when_to_come_back_is_obeyed(wire, path):
    wire.script.spec = replace(wire.script.spec, retry_after_s=1.0)
    wire.script.then(Kind.BUSY_503_AFTER)
    began = time.monotonic()
    wire.blobs.put(path, b"x")
    assert time.monotonic() - began >= 1.0
    assert [fault for _, fault in wire.script.met] == [Kind.BUSY_503_AFTER, None]


@pytest.mark.fault(24)
def test_a_service_that_asks_for_more_time_than_there_is_is_not_asked_again(wire, path):
    wire.script.spec = replace(wire.script.spec, retry_after_s=60.0)
    wire.script.then(Kind.BUSY_503_AFTER)
    with pytest.raises(TransientCloudError) as raised:
        wire.blobs.put(path, b"x")
    assert raised.value.retry_after_s == 60.0
    assert len(wire.script.met) == 1


# --- refusals


@pytest.mark.fault(46)
@pytest.mark.parametrize(("kind", "error"), [(Kind.READ_ONLY, AccessDeniedError), (Kind.FULL, StorageFullError)])
def test_an_account_that_takes_no_writes_is_said_at_once_and_still_read(wire, path, kind, error):
    wire.clear.blobs.put(path, b"old")
    for write in (
        lambda: wire.blobs.put(path, b"new"),
        lambda: wire.blobs.create(path, b"new"),
        lambda: wire.blobs.delete(path),
        lambda: wire.queue.send(QUEUE, b"new"),
    ):
        wire.script.then(kind)
        began = time.monotonic()
        with pytest.raises(error) as raised:
            write()
        assert type(raised.value) is error
        assert time.monotonic() - began < 5.0
    assert wire.blobs.get(path).data == b"old"
