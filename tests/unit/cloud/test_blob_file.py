"""A blob read as a file: right bytes, few requests, one version."""

import io
import random
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest

from dropscore.cloud.blob_file import BlobFile
from dropscore.cloud.block_cache import BlockCache, FetchMeter
from dropscore.cloud.memory import ManualClock, memory_cloud
from dropscore.contracts import layout
from dropscore.contracts.errors import FailedError, TransientCloudError
from dropscore.contracts.failures import Code

BLOCK = 1000
DATA = random.Random(1).randbytes(5 * BLOCK + 300)
PATH = layout.input_file("film.mp4")


class Reading:
    """A film of five and a third blocks in memory, and a cache over it."""

    def __init__(self, *, budget_blocks=100):
        self.clock = ManualClock()
        self.blobs = memory_cloud(self.clock).blobs
        self.etag = self.blobs.put(PATH, DATA)
        self.cache = BlockCache(self.blobs, self.clock, block_bytes=BLOCK, budget_bytes=budget_blocks * BLOCK)
        self.blobs.operations.clear()

    def open(self, **options):
        return BlobFile(self.cache, PATH, etag=self.etag, size_bytes=len(DATA), **options)

    @property
    def requests(self):
        return self.blobs.operations.counts().get("blob.get", 0)


@pytest.fixture
def reading_factory():
    made = []

    def make(**options):
        made.append(Reading(**options))
        return made[-1]

    yield make
    for reading in made:
        reading.cache.close()


@pytest.fixture
def reading(reading_factory):
    return reading_factory()


def test_reading_all_gives_the_blob(reading):
    assert reading.open().read() == DATA


@pytest.mark.parametrize("size", [1, 7, 999, 1000, 1001, 2500])
def test_reading_in_pieces_gives_the_blob_whatever_their_size(reading, size):
    file = reading.open()

    assert b"".join(iter(lambda: file.read(size), b"")) == DATA


def test_seeks_and_reads_agree_with_a_file_in_memory(reading):
    file, model = reading.open(), io.BytesIO(DATA)
    random_ = random.Random(2)

    for _ in range(300):
        whence = random_.choice([io.SEEK_SET, io.SEEK_CUR, io.SEEK_END])
        low, high = {
            io.SEEK_SET: (0, 6000),
            io.SEEK_CUR: (-model.tell(), 500),
            io.SEEK_END: (-len(DATA), 100),
        }[whence]
        offset = random_.randint(low, high)
        assert file.seek(offset, whence) == model.seek(offset, whence)
        size = random_.choice([-1, 0, 1, 10, 1500])
        assert file.read(size) == model.read(size)
        assert file.tell() == model.tell()


def test_a_place_before_the_beginning_is_refused(reading):
    with pytest.raises(ValueError, match="no position -1"):
        reading.open().seek(-1)


def test_a_closed_file_is_not_read(reading):
    file = reading.open()
    file.close()

    with pytest.raises(ValueError, match="closed"):
        file.read(1)


def test_a_file_has_no_name_and_cannot_be_written(reading):
    file = reading.open()

    assert not hasattr(file, "name")
    assert (file.readable(), file.seekable(), file.writable()) == (True, True, False)


def test_libraries_that_seek_can_read_it(reading):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as writing:
        for number in range(50):
            writing.writestr(f"frame-{number}", bytes([number]) * 200)
    path = layout.input_file("frames.zip")
    etag = reading.blobs.put(path, archive.getvalue())

    file = BlobFile(reading.cache, path, etag=etag, size_bytes=len(archive.getvalue()))
    with zipfile.ZipFile(io.BufferedReader(file)) as opened:
        assert opened.testzip() is None
        assert opened.read("frame-49") == bytes([49]) * 200


def test_each_block_is_fetched_once_whoever_reads_it(reading):
    reading.open().read()
    reading.open().read()

    assert reading.requests == 6


def test_many_readers_at_once_fetch_each_block_once(reading):
    start = threading.Barrier(8)

    def read(_):
        start.wait()
        return reading.open().read()

    with ThreadPoolExecutor(8) as threads:
        assert all(data == DATA for data in threads.map(read, range(8)))

    assert reading.requests == 6


def test_looking_at_the_head_and_the_tail_fetches_those_blocks_alone(reading):
    file = reading.open()
    file.read(100)
    file.seek(-10, io.SEEK_END)
    file.read()

    assert sorted(set(reading.blobs.operations.targets("blob.get"))) == [str(PATH)]
    assert reading.requests == 2


def test_past_the_middle_of_a_block_the_next_one_is_fetched_in_the_background(reading, wait_until):
    file = reading.open()
    file.read(501)
    wait_until(lambda: reading.requests == 2)

    file.read(700)

    wait_until(lambda: reading.requests == 3)  # and going on in it, the one after


def test_nothing_is_asked_for_behind_the_end(reading, wait_until):
    file = reading.open()
    file.seek(5 * BLOCK)
    file.read()
    reading.cache.close()

    assert reading.requests == 1


def test_an_empty_blob_costs_no_request(reading):
    file = BlobFile(reading.cache, PATH, etag=reading.etag, size_bytes=0)

    assert file.read() == b""
    assert reading.requests == 0


def test_the_cache_keeps_within_its_budget_and_forgets_the_oldest(reading_factory):
    reading = reading_factory(budget_blocks=3)
    file = reading.open()

    for index in range(5):
        file.seek(index * BLOCK)
        file.read(1)
        assert reading.cache.kept_bytes <= 3 * BLOCK
    before = reading.requests
    reading.open().read(1)

    assert reading.requests == before + 1


def test_a_changed_blob_fails_with_its_name_and_is_never_mixed(reading):
    file = reading.open()
    file.read(10)
    reading.blobs.put(PATH, bytes(len(DATA)))

    file.seek(2 * BLOCK)
    with pytest.raises(FailedError) as error:
        file.read(1)

    assert error.value.failure.code is Code.INPUT_CHANGED
    assert error.value.failure.input == "film.mp4"


def test_a_deleted_blob_counts_as_changed(reading):
    reading.blobs.delete(PATH)

    with pytest.raises(FailedError) as error:
        reading.open().read(1)

    assert error.value.failure.code is Code.INPUT_CHANGED


def test_a_blob_of_another_size_than_admitted_counts_as_changed(reading):
    file = BlobFile(reading.cache, PATH, etag=reading.etag, size_bytes=len(DATA) + 5)

    with pytest.raises(FailedError):
        file.read()


def test_a_block_that_did_not_come_is_asked_for_again(reading):
    def fail_once(operation):
        reading.blobs.operations.interrupt = None
        raise TransientCloudError("storage is busy")

    reading.blobs.operations.interrupt = fail_once
    file = reading.open()
    with pytest.raises(TransientCloudError):
        file.read(1)

    assert file.read() == DATA


def test_readers_that_wait_for_a_failing_block_get_its_error(reading, wait_until):
    release, waiting = threading.Event(), []

    def fail_late(operation):
        release.wait(10)
        raise TransientCloudError("storage is busy")

    def read():
        waiting.append(1)
        with pytest.raises(TransientCloudError):
            reading.open().read(1)
        return True

    reading.blobs.operations.interrupt = fail_late
    with ThreadPoolExecutor(3) as threads:
        readers = [threads.submit(read) for _ in range(3)]
        wait_until(lambda: len(waiting) == 3)
        release.set()
        assert all(reader.result() for reader in readers)


def test_an_unexpected_error_leaves_no_hole_in_the_cache(reading):
    def break_once(operation):
        reading.blobs.operations.interrupt = None
        raise MemoryError

    reading.blobs.operations.interrupt = break_once
    with pytest.raises(MemoryError):
        reading.open().read(1)

    assert reading.open().read() == DATA


def test_the_cost_of_reading_is_counted_for_the_file_and_for_the_process(reading):
    def take_two_seconds(operation):
        reading.clock.advance(2.0)

    reading.blobs.operations.interrupt = take_two_seconds
    first, second = FetchMeter(), FetchMeter()
    file = reading.open(meter=first)
    file.read(10)
    reading.open(meter=second).read(10)

    assert (first.requests, first.fetched_bytes, first.wait_s) == (1, BLOCK, 2.0)
    assert (second.requests, second.fetched_bytes, second.wait_s) == (0, 0, 0.0)
    assert (reading.cache.total.requests, reading.cache.total.wait_s) == (1, 2.0)


def test_after_closing_the_cache_files_can_still_be_read(reading):
    reading.cache.close()

    assert reading.open().read() == DATA


@pytest.mark.shared
def test_a_real_video_decodes_as_from_memory_with_one_request_for_each_block(shared_data):
    av = pytest.importorskip("av")
    video = min((shared_data / "video").glob("*.mp4"), key=lambda file: file.stat().st_size)
    data = video.read_bytes()
    memory = memory_cloud()
    etag = memory.blobs.put(PATH, data)
    cache = BlockCache(memory.blobs, memory.clock, block_bytes=65_536)

    def frames(source):
        with av.open(source, format="mp4") as container:
            return [frame.to_ndarray(format="gray").tobytes() for frame in container.decode(video=0)]

    expected = frames(io.BytesIO(data))
    for _ in range(2):
        assert frames(BlobFile(cache, PATH, etag=etag, size_bytes=len(data))) == expected
    cache.close()

    assert memory.blobs.operations.counts()["blob.get"] <= -(-len(data) // 65_536)
