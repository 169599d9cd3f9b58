"""`dropscore quarantine`, `replay` and `verify`."""

import json

import pytest
from small_cloud import SmallCloud, state_of

from dropscore.cli import wording
from dropscore.cli.exits import Exit
from dropscore.cli.replay import replay_run, show_quarantine
from dropscore.cli.verify import verify_run
from dropscore.contracts import layout
from dropscore.contracts.codec import decode, encode_bytes
from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code, failure
from dropscore.contracts.identity import sha256_hex
from dropscore.contracts.plan import Piece, ShardSpec
from dropscore.contracts.quarantine import Attempt, Quarantined
from dropscore.contracts.receipt import OutputFile, OutputManifest, Receipt
from dropscore.contracts.request import InputRef, RunRecord
from dropscore.contracts.run import RunStatus
from dropscore.contracts.verdict import WorkerFacts

RUN = "film-0123456789abcdef"
WORKER = WorkerFacts(worker="w1", device="cpu", code_version="0.1.0")


def shelve(cloud: SmallCloud, item: int) -> None:
    piece = Piece(first_item=item, items=1)
    died = failure(Code.SHARD_POISON, item=item, shard_id=0)
    attempt = Attempt(
        run_id=RUN,
        shard_id=0,
        range=piece,
        delivery=1,
        at="2026-01-01T00:00:07.000000Z",
        worker=WORKER,
        failure=died,
        at_work=(item,),
        death=True,
        signal="SIGSEGV",
    )
    one = Quarantined(
        run_id=RUN,
        shard=ShardSpec(shard_id=0, input_index=0, first_item=0, items=120),
        input="film.mp4",
        failure=died,
        attempts=3,
        worker=WORKER,
        at="2026-01-01T00:00:09.000000Z",
        piece=piece,
        tries=(attempt,),
    )
    cloud.memory.blobs.put(layout.quarantine(RUN, piece), encode_bytes(one))


@pytest.fixture
def gaps(cloud: SmallCloud) -> SmallCloud:
    """A run that ended with gaps: items 7 and 60 are in quarantine."""
    cloud.put_run(state_of(RUN, RunStatus.SUCCEEDED_WITH_GAPS))
    for item in (60, 7):
        shelve(cloud, item)
    return cloud


def test_quarantine_shows_each_item_with_reason_action_and_attempts(gaps: SmallCloud) -> None:
    shown = gaps.session()
    show_quarantine(shown.session, RUN)
    first, second = shown.out.index("item 7 of film.mp4"), shown.out.index("item 60 of film.mp4")
    assert first < second
    assert "E-SHARD-POISON" in shown.out
    assert "SIGSEGV" in shown.out
    assert "→ " in shown.out
    assert f"dropscore replay {RUN}" in shown.err


def test_in_a_narrow_terminal_the_worker_alone_is_cut_short(gaps: SmallCloud) -> None:
    shown = gaps.session()
    shown.session.screen.out.width = 44
    show_quarantine(shown.session, RUN)
    assert "1         00:00:07   SIGSEGV    60        w" in shown.out


def test_items_at_work_are_told_as_ranges() -> None:
    assert wording.ranges((3, 7, *range(40, 48))) == "3, 7, 40 to 47"
    assert wording.ranges(()) == ""


def test_quarantine_for_programs_is_the_stored_documents(gaps: SmallCloud) -> None:
    shown = gaps.session(as_json=True)
    show_quarantine(shown.session, RUN)
    items = [decode(Quarantined, one).range.first_item for one in json.loads(shown.out)["quarantined"]]
    assert items == [7, 60]


def test_a_long_quarantine_comes_in_pages(gaps: SmallCloud) -> None:
    for item in range(8, 60):
        shelve(gaps, item)
    pages, after = [], ""
    from dropscore.api.replays import quarantine_page

    while True:
        page = quarantine_page(gaps.memory.blobs, RUN, after, 20)
        entries = page["quarantined"]
        assert isinstance(entries, list)
        pages.append([decode(Quarantined, one).range.first_item for one in entries])
        if page["next"] is None:
            break
        after = str(page["next"])
    assert [len(one) for one in pages] == [20, 20, 14]
    assert [item for one in pages for item in one] == list(range(7, 61))


def test_replay_starts_a_run_of_its_own_and_the_same_key_starts_no_second(gaps: SmallCloud) -> None:
    shown = gaps.session(as_json=True)
    assert replay_run(shown.session, RUN, model="mosaic@2", note="once more", key="k", watch=False) is Exit.OK
    run_id = json.loads(shown.out)["run_id"]
    assert run_id.startswith("re-film-")
    record = decode(RunRecord, gaps.memory.blobs.get(layout.request(run_id)).data)
    assert (record.source.kind, record.source.replay_of) == ("replay", RUN)
    assert json.loads(record.body or "") == {"model": "mosaic@2", "note": "once more"}
    assert gaps.memory.orchestrations.started == [run_id]

    again = gaps.session(as_json=True)
    replay_run(again.session, RUN, model="mosaic@2", note="once more", key="k", watch=False)
    assert json.loads(again.out)["run_id"] == run_id


@pytest.mark.parametrize("status", [RunStatus.SUCCEEDED, RunStatus.SCORING, RunStatus.REJECTED])
def test_a_run_with_nothing_to_replay_is_refused(cloud: SmallCloud, status: RunStatus) -> None:
    cloud.put_run(state_of(RUN, status))
    with pytest.raises(FailedError) as caught:
        replay_run(cloud.session().session, RUN, model=None, note=None, key="k", watch=False)
    assert caught.value.failure.code is Code.REPLAY_NOTHING
    assert cloud.memory.orchestrations.started == []


def publish(cloud: SmallCloud) -> None:
    blobs = cloud.memory.blobs
    cloud.put_run(state_of(RUN, RunStatus.SUCCEEDED))
    made, source = b"a styled film" * 1_000_000, b"a film"
    output = OutputFile(name="film.mp4", sha256=sha256_hex(made), size_bytes=len(made), media_type="video/mp4")
    blobs.put(layout.output(RUN, "film.mp4"), made)
    etag = blobs.put(layout.input_file("film.mp4"), source)
    ref = InputRef(name="film.mp4", etag=etag, size_bytes=len(source))
    blobs.put(layout.inputs(RUN), encode_bytes(ref) + b"\n")
    manifest = OutputManifest(
        run_id=RUN,
        status=RunStatus.SUCCEEDED,
        outputs=(output,),
        items_published=1,
        items_total=1,
        coverage=1.0,
    )
    blobs.put(layout.output_manifest(RUN), encode_bytes(manifest))
    receipt = Receipt(
        run_id=RUN,
        status=RunStatus.SUCCEEDED,
        workload="style_transfer",
        created_at="2026-01-01T00:00:00Z",
        finished_at="2026-01-01T00:00:09Z",
        duration_s=9.0,
        inputs=(ref,),
        input_digests={"film.mp4": sha256_hex(source)},
        code_version="0.1.0",
        outputs=(output,),
    )
    blobs.put(layout.receipt(RUN), encode_bytes(receipt))


def test_verify_reads_everything_again_and_says_that_it_is_right(cloud: SmallCloud) -> None:
    publish(cloud)
    shown = cloud.session()
    assert verify_run(shown.session, RUN) is Exit.OK
    assert "All 3 are what the receipt says." in shown.out


@pytest.mark.parametrize("what", ["output", "input"])
@pytest.mark.parametrize("harm", ["changed", "deleted"])
def test_verify_names_what_is_not_what_the_receipt_says(cloud: SmallCloud, what: str, harm: str) -> None:
    publish(cloud)
    path = layout.output(RUN, "film.mp4") if what == "output" else layout.input_file("film.mp4")
    cloud.memory.blobs.delete(path)
    if harm == "changed":
        cloud.memory.blobs.put(path, b"something else")
    shown = cloud.session(as_json=True)
    assert verify_run(shown.session, RUN) is Exit.FAILED
    told = json.loads(shown.out)
    assert not told["ok"]
    assert [check["what"] for check in told["checks"] if not check["ok"]] == [what]


def test_verify_notices_a_manifest_that_names_other_outputs(cloud: SmallCloud) -> None:
    publish(cloud)
    cloud.memory.blobs.delete(layout.output_manifest(RUN))
    assert verify_run(cloud.session().session, RUN) is Exit.FAILED


def test_a_run_without_a_receipt_cannot_be_verified(cloud: SmallCloud) -> None:
    cloud.put_run(state_of(RUN, RunStatus.SCORING))
    with pytest.raises(FailedError) as caught:
        verify_run(cloud.session().session, RUN)
    assert caught.value.failure.code is Code.OUTPUT_MISSING
