"""Profiles in storage: the first writer decides for all."""

import pytest
from worker_parts import profile

from dropscore.cloud.memory import ManualClock, MemoryBlobs
from dropscore.contracts import layout
from dropscore.contracts.codec import encode_bytes
from dropscore.contracts.measured import Precision
from gpu_worker.profiles import Profiles

PLACE = ("mosaic", "1")
PATH = layout.execution_profile(*PLACE, "cpu-test")


@pytest.fixture
def blobs() -> MemoryBlobs:
    return MemoryBlobs(ManualClock())


def test_a_stored_profile_is_obeyed_without_a_probe(blobs):
    stored = profile(precision=Precision.BFLOAT16)
    blobs.create(PATH, encode_bytes(stored))
    assert Profiles(blobs, "cpu-test").find(PLACE, lambda: pytest.fail("probed")) == stored


def test_what_the_probe_finds_is_stored(blobs):
    found = profile(channels_last=True)
    assert Profiles(blobs, "cpu-test").find(PLACE, lambda: found) == found
    assert Profiles(blobs, "cpu-test").find(PLACE, lambda: pytest.fail("probed")) == found


def test_the_first_writer_wins_when_two_probe_at_once(blobs):
    theirs = profile(precision=Precision.BFLOAT16)

    def probe():
        blobs.create(PATH, encode_bytes(theirs))
        return profile()

    assert Profiles(blobs, "cpu-test").find(PLACE, probe) == theirs


def test_a_profile_that_cannot_be_read_is_replaced(blobs):
    blobs.put(PATH, b"{}")
    found = profile()
    assert Profiles(blobs, "cpu-test").find(PLACE, lambda: found) == found
    assert Profiles(blobs, "cpu-test").find(PLACE, lambda: pytest.fail("probed")) == found


def test_each_kind_of_device_has_its_own(blobs):
    Profiles(blobs, "cpu-test").find(PLACE, profile)
    other = profile(device="cuda-test", precision=Precision.FLOAT16)
    assert Profiles(blobs, "cuda-test").find(PLACE, lambda: other) == other
