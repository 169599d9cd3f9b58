"""The bell that tells idle workers of coming work."""

from dropscore.cloud.bell import Bell, ring
from dropscore.cloud.memory import ManualClock, MemoryBlobs
from dropscore.contracts import layout
from dropscore.contracts.errors import TransientCloudError

RUN = "r-0123456789abcdef"


def test_every_listener_hears_each_ring_once():
    blobs = MemoryBlobs(ManualClock())
    first, second = Bell(blobs), Bell(blobs)
    assert not first.rang()
    assert not second.rang()
    ring(blobs, RUN)
    assert [first.rang(), first.rang(), second.rang(), second.rang()] == [True, False, True, False]


def test_rings_from_before_it_listened_are_not_heard():
    blobs = MemoryBlobs(ManualClock())
    ring(blobs, RUN)
    assert not Bell(blobs).rang()


def test_a_bell_that_cannot_be_reached_disturbs_nobody():
    class Unreachable(MemoryBlobs):
        def put(self, path, *_args, **_options):
            raise TransientCloudError(f"no answer about {path}")

        def head(self, path):
            raise TransientCloudError(f"no answer about {path}")

    blobs = Unreachable(ManualClock())
    ring(blobs, RUN)
    assert not Bell(blobs).rang()
    assert layout.bell().name == "_bell"
