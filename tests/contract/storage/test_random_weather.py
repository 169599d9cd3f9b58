"""Whatever the weather, the adapters tell the same story as the twins: by random operations under random faults."""

import itertools
import uuid
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_every_fault_of_the_wire import QUICK, adapters

from dropscore.cloud.memory import ManualClock, memory_cloud
from dropscore.contracts import layout
from dropscore.contracts.errors import LeaseLostError, NotFoundError, PreconditionError, TransientCloudError
from dropscore.contracts.names import QueueName
from localcloud.weather.schedule import Schedule
from localcloud.weather.spec import Spec

pytestmark = [pytest.mark.azurite, pytest.mark.xdist_group("azurite"), pytest.mark.timeout(300)]

QUEUE = QueueName.SHARDS_OFFPEAK
EXPECTED = (PreconditionError, NotFoundError)


@dataclass
class Store:
    """A blob store, and the versions of its blobs as they were told."""

    blobs: Any
    versions: dict = field(default_factory=dict)

    def do(self, operation, number, data):
        """Do one operation until it is answered, and tell what came of it, versions aside."""
        for _ in range(30):
            try:
                return self._do(operation, number, data)
            except TransientCloudError:
                continue
            except EXPECTED as error:
                return type(error)
        pytest.fail(f"{operation} was not answered thirty times")

    def _do(self, operation, number, data):
        path = layout.verdict(self.run, number)
        match operation:
            case "put":
                self.versions[number] = [*self.versions.get(number, []), self.blobs.put(path, data)]
                return None
            case "put the present" | "put a stale":
                known = self.versions.get(number, ["0x0"])
                etag = known[-1] if operation == "put the present" else known[0]
                self.versions[number] = [*known, self.blobs.put(path, data, if_match=etag)]
                return None
            case "create":
                return self.blobs.create(path, data)
            case "delete":
                return self.blobs.delete(path)
            case "get":
                return self.blobs.get(path).data
            case "get range":
                return self.blobs.get_range(path, 1, 5)
            case "head":
                info = self.blobs.head(path)
                return info and info.size_bytes
            case "list":
                found = self.blobs.list(layout.verdicts_prefix(self.run))
                return [(info.path, info.size_bytes) for info in found]
            case _:
                raise AssertionError(operation)


OPERATIONS = st.sampled_from(
    ["put", "put the present", "put a stale", "create", "create", "delete", "get", "get range", "head", "list"]
)


@pytest.mark.fault(25)
@given(
    seed=st.integers(0, 2**31),
    rate=st.sampled_from([0.2, 0.5]),
    steps=st.lists(st.tuples(OPERATIONS, st.integers(0, 2)), min_size=5, max_size=25),
)
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_blobs_under_any_schedule_are_those_of_the_twin(azurite_storages, seed, rate, steps):
    schedule = Schedule(Spec(seed=seed, rate=rate, retry_after_s=0.01, slow_s=0.005), role="test")
    blobs, _ = adapters(azurite_storages, schedule, patience=QUICK)
    real, twin = Store(blobs), Store(memory_cloud(ManualClock()).blobs)
    real.run = twin.run = f"r-{uuid.uuid4().hex[:12]}"
    contents = (f"{number} of {real.run}".encode() for number in itertools.count())

    for step in [*steps, *(("get", number) for number in range(3)), ("list", 0)]:
        data = next(contents)
        told, wanted = real.do(*step, data), twin.do(*step, data)
        # Of a deletion that was asked for twice nobody knows whose it was, but that the blob is gone.
        assert told == wanted or (step[0] == "delete" and told is True), step


@pytest.mark.fault(25)
@given(seed=st.integers(0, 2**31), extending=st.integers(0, 3))
@settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_no_message_is_lost_under_any_schedule_and_none_outlives_its_deletion(
    azurite, azurite_storages, wait_until, seed, extending
):
    schedule = Schedule(Spec(seed=seed, rate=0.3, retry_after_s=0.01, slow_s=0.005), role="test")
    _, queue = adapters(azurite_storages, schedule, patience=QUICK)
    bodies = {b"%d of %d" % (number, seed) for number in range(8)}
    for body in bodies:
        insist(lambda body=body: queue.send(QUEUE, body))
    handled = set()

    def handle():
        try:
            for message in queue.receive(QUEUE, count=8, lease_s=1):
                for _ in range(extending):
                    message = queue.extend(message, lease_s=2)  # noqa: PLW2901 - it has a new receipt
                handled.add(message.body)
                queue.delete(message)
        except (TransientCloudError, LeaseLostError):
            pass
        return azurite.queue.depth(QUEUE) == 0

    wait_until(handle, within_s=60)
    assert handled == bodies


def insist(action):
    """Do it until it is answered."""
    while True:
        try:
            return action()
        except TransientCloudError:
            continue
