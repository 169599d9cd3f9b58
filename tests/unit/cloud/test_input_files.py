"""The inputs of a run, opened by their line."""

import pytest

from dropscore.cloud.block_cache import BlockCache, FetchMeter
from dropscore.cloud.input_files import BlobInputFiles
from dropscore.cloud.memory import memory_cloud
from dropscore.contracts import layout
from dropscore.contracts.codec import encode_bytes
from dropscore.contracts.errors import ContractError, FailedError, NotFoundError
from dropscore.contracts.failures import Code
from dropscore.contracts.request import InputRef


@pytest.fixture
def blobs():
    return memory_cloud().blobs


@pytest.fixture
def cache(blobs):
    cache = BlockCache(blobs, memory_cloud().clock)
    yield cache
    cache.close()


@pytest.fixture
def inputs(blobs, cache):
    lines = []
    for name, data in (("a.mp4", b"film a"), ("sub/b.mp4", b"film b")):
        etag = blobs.put(layout.input_file(name), data)
        lines.append(encode_bytes(InputRef(name=name, etag=etag, size_bytes=len(data))))
    blobs.put(layout.inputs("r-1"), b"\n".join(lines) + b"\n")
    return BlobInputFiles(blobs, cache, "r-1")


def test_inputs_are_known_in_order(inputs):
    assert [ref.name for ref in inputs.refs] == ["a.mp4", "sub/b.mp4"]
    assert [ref.name for ref in inputs.refs[1:]] == ["sub/b.mp4"]
    assert len(inputs.refs) == 2


def test_an_input_is_opened_by_its_line(inputs):
    assert inputs.open(1).read() == b"film b"


def test_the_list_of_inputs_is_read_once_and_only_when_needed(inputs, blobs):
    blobs.operations.clear()
    assert blobs.operations.total() == 0

    inputs.open(0)
    inputs.open(1)
    inputs.metered(FetchMeter()).open(0)

    assert blobs.operations.targets("blob.get") == ["runs/r-1/inputs.jsonl"]


def test_an_input_replaced_since_admission_fails(inputs, blobs):
    blobs.put(layout.input_file("a.mp4"), b"FILM A")

    with pytest.raises(FailedError) as error:
        inputs.open(0).read()

    assert error.value.failure.code is Code.INPUT_CHANGED


def test_another_blob_is_opened_by_name_in_the_version_it_has(inputs, blobs):
    blobs.put(layout.input_file("style.png"), b"picture")

    assert inputs.open_named("style.png").read() == b"picture"


def test_another_blob_that_is_absent_is_named(inputs):
    with pytest.raises(FailedError) as error:
        inputs.open_named("style.png")

    assert (error.value.failure.code, error.value.failure.input) == (Code.INPUT_MISSING, "style.png")


def test_a_shards_own_meter_counts_what_it_read(inputs):
    shard, other = FetchMeter(), FetchMeter()

    inputs.metered(shard).open(0).read()
    inputs.metered(other).open(0).read()

    assert (shard.requests, shard.fetched_bytes) == (1, 6)
    assert other.requests == 0


def test_a_run_that_was_not_admitted_has_no_inputs(blobs, cache):
    with pytest.raises(NotFoundError):
        BlobInputFiles(blobs, cache, "r-2").open(0)


def test_a_broken_line_is_refused_when_it_is_looked_at(blobs, cache):
    blobs.put(layout.inputs("r-3"), b'{"name": "a"}\n')

    with pytest.raises(ContractError, match="etag"):
        BlobInputFiles(blobs, cache, "r-3").open(0)


@pytest.mark.fault(11)
def test_what_an_option_names_is_held_to_the_version_of_its_admission(inputs, blobs):
    etag = blobs.put(layout.input_file("starry.jpg"), b"starry")
    ref = InputRef(name="starry.jpg", etag=etag, size_bytes=6)
    held = inputs.holding({"starry.jpg": ref})
    assert held.open_named("starry.jpg").read() == b"starry"
    assert held.metered(FetchMeter()).open_named("starry.jpg").read() == b"starry"
    blobs.put(layout.input_file("starry.jpg"), b"cloudy")

    with pytest.raises(FailedError) as caught:
        inputs.holding({"starry.jpg": ref.model_copy(update={"etag": "0xOLD"})}).open_named("starry.jpg").read()

    assert caught.value.failure.code is Code.INPUT_CHANGED


def test_a_run_admitted_before_that_reads_what_is_there_now(inputs, blobs):
    blobs.put(layout.input_file("starry.jpg"), b"starry")
    assert inputs.holding({}).open_named("starry.jpg").read() == b"starry"
