"""What lives of a worker remember of what is never changed, whatever the process that noted it did to its memory."""

from collections.abc import Iterator

import pytest

from dropscore.cloud.memory import ManualClock, MemoryBlobs
from dropscore.contracts import layout
from dropscore.contracts.errors import NotFoundError
from dropscore.contracts.plan import Piece
from gpu_worker.records import MOST_BYTES, SIZE, Records
from gpu_worker.remembered import RememberedBlobs

ADMISSION = layout.admission("run-1")
PIECE = Piece(first_item=3, items=2)


@pytest.fixture
def stored() -> MemoryBlobs:
    return MemoryBlobs(ManualClock())


def asked(blobs: MemoryBlobs) -> int:
    return blobs.operations.counts().get("blob.get", 0)


# --- records


def test_what_was_noted_is_found_and_gone_on_with():
    records = Records()
    assert records.read() == {}
    records.add("a", b"1")
    records.add("b", b"2" * 100)
    assert records.read() == {"a": b"1", "b": b"2" * 100}
    records.add("c", b"3")
    assert records.read() == {"a": b"1", "b": b"2" * 100, "c": b"3"}


def test_the_newest_under_a_name_counts_and_an_empty_one_takes_it_back():
    records = Records()
    records.add("a", b"1")
    records.add("b", b"2")
    records.add("a", b"new")
    records.add("b", b"")
    assert records.read() == {"a": b"new"}


def test_what_is_too_long_is_not_noted():
    records = Records()
    records.add("long", b"x" * (MOST_BYTES + 1))
    records.add("short", b"x" * MOST_BYTES)
    assert list(records.read()) == ["short"]


def test_with_no_room_left_it_begins_anew():
    records, each = Records(), b"x" * MOST_BYTES
    fit = SIZE // (MOST_BYTES + 100)
    for number in range(fit + 3):
        records.add(f"{number:06d}", each)
    found = records.read()
    assert f"{fit + 2:06d}" in found
    assert "000000" not in found
    assert set(found.values()) == {each}


@pytest.mark.fault(19)
def test_nothing_behind_a_record_that_is_not_whole_is_believed():
    """A process that dies may have written over its memory, or been in the middle of a note."""
    records = Records()
    for name in "abc":
        records.add(name, name.encode() * 50)
    at = records._memory.find(b"b" * 50)
    records._memory[at : at + 1] = b"?"
    assert records.read() == {"a": b"a" * 50}
    records.add("d", b"d")
    assert records.read() == {"a": b"a" * 50, "d": b"d"}


# --- blobs


def lives(stored: MemoryBlobs) -> Iterator[RememberedBlobs]:
    """One life after the other."""
    records = Records()
    while True:
        yield RememberedBlobs(stored, records)


@pytest.mark.parametrize(
    "path",
    [
        ADMISSION,
        layout.inputs("run-1"),
        layout.attempt("run-1", 4, PIECE, "0000-0001-m"),
        layout.split("run-1", 4, PIECE),
        layout.piece_verdict("run-1", 4, PIECE),
        layout.execution_profile("model", "1", "cpu"),
    ],
    ids=lambda path: path.name,
)
def test_what_is_never_changed_is_read_once_by_all_lives(stored, path):
    first, second, _ = (next(life) for life in [lives(stored)] * 3)
    stored.put(path, b"{}")
    assert first.get(path).data == b"{}"
    third = RememberedBlobs(stored, first._records)
    assert [first.get(path).data, third.get(path).data] == [b"{}", b"{}"]
    assert asked(stored) == 1
    assert second.get(path).data == b"{}"  # begun before anything was noted: it asks
    assert asked(stored) == 2


def test_what_was_written_is_known_and_what_another_wrote_is_read(stored):
    blobs = next(lives(stored))
    path, other = layout.split("run-1", 1, PIECE), layout.split("run-1", 2, PIECE)
    stored.create(other, b"theirs")
    assert blobs.create(path, b"ours")
    assert not blobs.create(other, b"ours")
    assert blobs.get(path).data == b"ours"
    assert asked(stored) == 0
    assert blobs.get(other).data == b"theirs"


@pytest.mark.parametrize(
    "path", [layout.state("run-1"), layout.cancel_mark("run-1"), layout.verdict("run-1", 4)], ids=lambda path: path.name
)
def test_anything_else_is_asked_for_each_time(stored, path):
    blobs = next(lives(stored))
    stored.put(path, b"1")
    assert blobs.get(path).data == b"1"
    stored.put(path, b"2")
    assert blobs.get(path).data == b"2"


def test_what_is_not_there_is_asked_for_again(stored):
    blobs = next(lives(stored))
    with pytest.raises(NotFoundError):
        blobs.get(ADMISSION)
    stored.put(ADMISSION, b"{}")
    assert blobs.get(ADMISSION).data == b"{}"


def test_what_was_deleted_is_forgotten_by_this_life_and_the_next(stored):
    profile = layout.execution_profile("model", "1", "cpu")
    blobs = next(lives(stored))
    stored.put(profile, b"bad")
    blobs.get(profile)
    blobs.delete(profile)
    stored.put(profile, b"good")
    assert RememberedBlobs(stored, blobs._records).get(profile).data == b"good"
    assert blobs.get(profile).data == b"good"


def test_no_more_is_kept_in_memory_than_there_is_room_for(stored):
    blobs = next(lives(stored))
    paths = [layout.attempt("run-1", number, PIECE, "m") for number in range(SIZE // MOST_BYTES + 1)]
    for path in paths:
        blobs.create(path, b"x" * MOST_BYTES)
    blobs.get(paths[-1])
    assert asked(stored) == 0
    blobs.get(paths[0])
    assert asked(stored) == 1
