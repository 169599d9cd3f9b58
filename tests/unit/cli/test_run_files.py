"""The files of a run as links: all pages of them, and new links to the same file."""

import pytest
from small_cloud import SmallCloud, state_of

from dropscore.cli.run_files import RunFiles
from dropscore.contracts import layout
from dropscore.contracts.codec import encode_bytes
from dropscore.contracts.errors import FailedError, PreconditionError
from dropscore.contracts.failures import Code
from dropscore.contracts.request import InputRef
from dropscore.contracts.run import RunStatus

RUN = "film-night-3f9a0c1d2e4b5a67"
MANY = 1003


@pytest.fixture
def files(cloud: SmallCloud) -> RunFiles:
    """A run of many small files."""
    cloud.put_run(state_of(RUN, RunStatus.SUCCEEDED))
    cloud.publish(RUN, {f"{number}.png": b"%d" % number for number in range(MANY)})
    blobs = cloud.memory.blobs
    refs = []
    for number in range(MANY):
        etag = blobs.put(layout.input_file(f"in/{number}.png"), b"in %d" % number)
        refs.append(InputRef(name=f"in/{number}.png", etag=etag, size_bytes=4))
    blobs.put(layout.inputs(RUN), b"\n".join(encode_bytes(ref) for ref in refs))
    return RunFiles(cloud.session().session.api(), RUN)


def test_all_pages_come_in_order_and_each_file_gets_new_links_of_its_own(files: RunFiles) -> None:
    outputs, inputs = list(files.outputs()), list(files.inputs())
    assert [one.name for one in outputs] == [f"{number}.png" for number in range(MANY)]
    assert [one.name for one in inputs] == [f"in/{number}.png" for number in range(MANY)]
    for number in (0, 999, 1000, MANY - 1):
        assert b"".join(outputs[number].read()) == b"%d" % number
        assert outputs[number].renew().partition("?")[0].endswith(f"/outputs/{RUN}/{number}.png")
        assert inputs[number].renew().partition("?")[0].endswith(f"/inputs/in/{number}.png")


def test_an_input_that_was_replaced_is_not_taken_for_the_one_of_the_run(cloud: SmallCloud, files: RunFiles) -> None:
    cloud.memory.blobs.put(layout.input_file("in/0.png"), b"in 0")
    first = next(files.inputs())
    with pytest.raises(PreconditionError):
        first.digest()


def test_an_output_that_is_no_longer_published_gets_no_new_link(cloud: SmallCloud, files: RunFiles) -> None:
    outputs = list(files.outputs())
    cloud.publish(RUN, {"other.png": b"other"})
    for gone in (outputs[0], outputs[-1]):
        with pytest.raises(FailedError) as refused:
            gone.renew()
        assert refused.value.failure.code is Code.OUTPUT_MISSING
