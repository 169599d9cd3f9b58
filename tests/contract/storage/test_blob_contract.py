"""What every blob store must do, in memory and in Azure's emulator alike."""

import io
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from dropscore.contracts import layout
from dropscore.contracts.errors import NotFoundError, PermanentCloudError, PreconditionError
from dropscore.contracts.layout import BlobPath
from dropscore.contracts.names import ContainerName


@pytest.fixture
def run() -> str:
    """A run of this test alone."""
    return f"r-{uuid.uuid4().hex[:12]}"


def test_what_is_put_is_read_back_with_its_version(storage, run):
    path = layout.state(run)

    etag = storage.blobs.put(path, b"one")

    assert storage.blobs.get(path).data == b"one"
    assert storage.blobs.get(path).etag == etag
    assert '"' not in etag


def test_put_replaces_and_gives_another_version(storage, run):
    path = layout.state(run)
    first = storage.blobs.put(path, b"one")

    second = storage.blobs.put(path, b"two")

    assert second != first
    assert storage.blobs.get(path).data == b"two"


def test_put_with_a_stale_version_is_refused_and_changes_nothing(storage, run):
    path = layout.state(run)
    stale = storage.blobs.put(path, b"one")
    storage.blobs.put(path, b"two", if_match=stale)

    with pytest.raises(PreconditionError):
        storage.blobs.put(path, b"three", if_match=stale)

    assert storage.blobs.get(path).data == b"two"


def test_put_with_a_version_of_a_deleted_blob_is_refused(storage, run):
    path = layout.state(run)
    etag = storage.blobs.put(path, b"one")
    storage.blobs.delete(path)

    with pytest.raises(PreconditionError):
        storage.blobs.put(path, b"two", if_match=etag)


def test_create_lets_the_first_writer_win(storage, run):
    path = layout.verdict(run, 0)

    assert storage.blobs.create(path, b"first") is True
    assert storage.blobs.create(path, b"second") is False
    assert storage.blobs.create(path, b"first") is False
    assert storage.blobs.get(path).data == b"first"


def test_of_many_creators_at_once_exactly_one_wins(storage, run):
    path = layout.verdict(run, 1)
    bodies = [f"writer {number}".encode() for number in range(12)]

    with ThreadPoolExecutor(12) as threads:
        won = list(threads.map(lambda body: storage.blobs.create(path, body), bodies))

    assert won.count(True) == 1
    assert storage.blobs.get(path).data == bodies[won.index(True)]


def test_reading_what_is_absent_says_so(storage, run):
    path = layout.state(run)

    assert storage.blobs.head(path) is None
    assert storage.blobs.delete(path) is False
    with pytest.raises(NotFoundError):
        storage.blobs.get(path)
    with pytest.raises(NotFoundError):
        storage.blobs.get_range(path, 0, 4)
    with pytest.raises(NotFoundError):
        storage.blobs.copy(path, layout.request(run))


def test_an_empty_blob_is_a_blob(storage, run):
    path = layout.input_file(f"{run}/empty.mp4")
    storage.blobs.put(path, b"")

    assert storage.blobs.get(path).data == b""
    assert storage.blobs.get_range(path, 0, 10) == b""
    assert storage.blobs.head(path).size_bytes == 0


@pytest.mark.parametrize(
    ("offset", "length", "expected"),
    [(0, 3, b"abc"), (2, 3, b"cde"), (4, 10, b"ef"), (6, 5, b""), (100, 5, b""), (3, 0, b"")],
)
def test_a_range_ends_where_the_blob_ends(storage, run, offset, length, expected):
    path = layout.input_file(f"{run}/film.mp4")
    storage.blobs.put(path, b"abcdef")

    assert storage.blobs.get_range(path, offset, length) == expected


@pytest.mark.parametrize(("offset", "length"), [(-1, 1), (0, -1)])
def test_a_negative_range_is_refused(storage, run, offset, length):
    with pytest.raises(ValueError, match="negative"):
        storage.blobs.get_range(layout.input_file(f"{run}/film.mp4"), offset, length)


def test_reads_are_held_to_a_version(storage, run):
    path = layout.input_file(f"{run}/film.mp4")
    etag = storage.blobs.put(path, b"abcdef")
    assert storage.blobs.get(path, if_match=etag).data == b"abcdef"
    assert storage.blobs.get_range(path, 1, 2, if_match=etag) == b"bc"
    storage.blobs.put(path, b"changed")

    with pytest.raises(PreconditionError):
        storage.blobs.get(path, if_match=etag)
    with pytest.raises(PreconditionError):
        storage.blobs.get_range(path, 1, 2, if_match=etag)


def test_head_gives_size_version_time_and_metadata(storage, run):
    path = layout.index_entry(run)
    etag = storage.blobs.put(path, b"12345", metadata={"status": "planning", "items_done": "7"})

    info = storage.blobs.head(path)

    assert info.path == path
    assert (info.etag, info.size_bytes) == (etag, 5)
    assert info.metadata == {"status": "planning", "items_done": "7"}
    assert info.modified_at.endswith("Z")
    assert "T" in info.modified_at


def test_create_writes_metadata_too(storage, run):
    path = layout.index_entry(run)

    storage.blobs.create(path, b"", metadata={"status": "pending"})

    assert storage.blobs.head(path).metadata == {"status": "pending"}


def test_listing_is_by_name_below_the_prefix_alone(storage, run):
    for shard_id in (2, 0, 11, 1):
        storage.blobs.put(layout.verdict(run, shard_id), b"{}")
    storage.blobs.put(layout.state(run), b"{}")

    listed = [info.path for info in storage.blobs.list(layout.verdicts_prefix(run))]

    assert listed == [layout.verdict(run, shard_id) for shard_id in (0, 1, 2, 11)]


def test_listing_starts_from_a_name_inclusive(storage, run):
    for shard_id in range(8):
        storage.blobs.put(layout.verdict(run, shard_id), b"{}")
    prefix = layout.verdicts_prefix(run)

    def listed_from(shard_id):
        start = layout.verdict(run, shard_id).name
        return [info.path.name[-6:-5] for info in storage.blobs.list(prefix, start_from=start)]

    assert listed_from(5) == ["5", "6", "7"]
    assert listed_from(5) == ["5", "6", "7"], "the second time as the first"
    assert listed_from(0) == list("01234567")
    assert listed_from(8) == []


def test_listing_from_a_name_that_is_absent_starts_behind_it(storage, run):
    for shard_id in (1, 4):
        storage.blobs.put(layout.verdict(run, shard_id), b"{}")

    start = layout.verdict(run, 2).name
    listed = [info.path for info in storage.blobs.list(layout.verdicts_prefix(run), start_from=start)]

    assert listed == [layout.verdict(run, 4)]


def test_listing_gives_metadata_only_when_asked(storage, run):
    path = layout.index_entry(run)
    storage.blobs.put(path, b"", metadata={"status": "failed"})

    (bare,) = storage.blobs.list(path)
    (full,) = storage.blobs.list(path, with_metadata=True)

    assert bare.metadata == {}
    assert full.metadata == {"status": "failed"}
    assert (bare.etag, bare.size_bytes) == (full.etag, full.size_bytes)


def test_an_empty_listing_is_empty(storage, run):
    assert list(storage.blobs.list(layout.run_prefix(run))) == []


@pytest.mark.parametrize("megabytes", [0, 1, 41])
def test_a_file_is_uploaded_whole_whatever_its_size(storage, run, megabytes):
    """41 MB go as blocks side by side, the others as one request."""
    path = layout.output(run, "film.mp4")
    data = bytes(range(256)) * (megabytes * 4096) + b"tail"

    etag = storage.blobs.upload(path, io.BytesIO(data), content_type="video/mp4")

    assert storage.blobs.get(path).etag == etag
    assert storage.blobs.get(path).data == data


def test_a_file_is_uploaded_from_where_it_stands(storage, run):
    path = layout.output(run, "film.mp4")
    source = io.BytesIO(b"headbody")
    source.seek(4)

    storage.blobs.upload(path, source)

    assert storage.blobs.get(path).data == b"body"


def test_a_copy_has_the_bytes_and_the_metadata(storage, run):
    source, target = layout.output(run, "staging/film one.mp4"), layout.output(run, "film ä#1.mp4")
    storage.blobs.put(source, b"film", metadata={"made": "here"})

    storage.blobs.copy(source, target)

    assert storage.blobs.get(target).data == b"film"
    assert storage.blobs.head(target).metadata == {"made": "here"}


def test_a_copy_between_accounts_is_refused(storage, run):
    storage.blobs.put(layout.output(run, "film.mp4"), b"film")

    with pytest.raises(PermanentCloudError, match="different storage accounts"):
        storage.blobs.copy(layout.output(run, "film.mp4"), layout.state(run))


def test_a_deleted_blob_is_gone(storage, run):
    path = layout.state(run)
    storage.blobs.put(path, b"one")

    assert storage.blobs.delete(path) is True
    assert storage.blobs.head(path) is None
    assert list(storage.blobs.list(path)) == []


@pytest.mark.parametrize(
    "name", ["plain", "with space.mp4", "hash#1.mp4", "per%20cent.mp4", "große Ära.mp4", "a?b=c", "x+y&z", "deep/er/x"]
)
def test_any_lawful_name_is_kept_as_it_is(storage, run, name):
    path = layout.input_file(f"{run}/{name}")
    storage.blobs.put(path, name.encode())

    assert storage.blobs.get(path).data == name.encode()
    assert [info.path for info in storage.blobs.list(layout.input_file(f"{run}/"))] == [path]
    assert [info.path for info in storage.blobs.list(path)] == [path]


@pytest.mark.parametrize(
    "name", ["", "..", "a/../b", "../x", "./x", "a/.", "a\\..\\b", "nul\0", "line\nbreak", "x" * 1025]
)
def test_a_name_that_could_lead_elsewhere_is_refused_before_it_is_sent(storage, name):
    path = BlobPath(ContainerName.INPUTS, name)
    before = storage.operations.total()

    for attempt in (
        lambda: storage.blobs.get(path),
        lambda: storage.blobs.get_range(path, 0, 1),
        lambda: storage.blobs.head(path),
        lambda: storage.blobs.put(path, b""),
        lambda: storage.blobs.create(path, b""),
        lambda: storage.blobs.upload(path, io.BytesIO()),
        lambda: storage.blobs.delete(path),
        lambda: storage.blobs.copy(path, layout.output("r-x", "y")),
        lambda: storage.blobs.copy(layout.output("r-x", "y"), path),
    ):
        with pytest.raises(PermanentCloudError):
            attempt()

    assert storage.operations.total() == before


def test_operations_are_counted_by_kind(storage, run):
    path = layout.verdict(run, 0)
    storage.blobs.put(path, b"1")
    storage.blobs.create(path, b"2")
    storage.blobs.get(path)
    storage.blobs.get_range(path, 0, 1)
    storage.blobs.head(path)
    list(storage.blobs.list(layout.verdicts_prefix(run)))
    storage.blobs.copy(path, layout.verdict(run, 1))
    storage.blobs.delete(path)

    assert storage.operations.counts() == {
        "blob.put": 2,
        "blob.get": 2,
        "blob.head": 1,
        "blob.list": 1,
        "blob.copy": 1,
        "blob.delete": 1,
    }
    assert storage.operations.targets("blob.head") == [str(path)]
