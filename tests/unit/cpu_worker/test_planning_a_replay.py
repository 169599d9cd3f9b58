"""`cpu_worker plan` of a run that replays another one."""

import pytest
from word_run import RUN, MemoryWordRun, fail_once_at

from cpu_worker.documents import lines
from cpu_worker.plan import plan_run
from cpu_worker.stitch import stitch_run
from dropscore.contracts import layout
from dropscore.contracts.codec import decode, encode_bytes
from dropscore.contracts.errors import TransientCloudError
from dropscore.contracts.failures import Code, failure
from dropscore.contracts.identity import sha256_hex
from dropscore.contracts.plan import Piece, PlanIndex, ShardSpec
from dropscore.contracts.quarantine import Split
from dropscore.contracts.receipt import Receipt
from dropscore.contracts.request import AdmittedRun
from dropscore.contracts.run import RunState
from dropscore.contracts.verdict import Outcome, PartRef, Verdict, WorkerFacts
from gpu_worker.merging import merged

REPLAY = "re-words-0123456789abcdef"
WORKER = WorkerFacts(worker="w9", device="cpu", code_version="0.1.0")


def first_run(run: MemoryWordRun) -> MemoryWordRun:
    """Shards of three letters: `dro` done, `psc` failed, `ore` divided, its `r` failed."""
    run.admit([b"dropscore"])
    plan_run(RUN, run.ports)
    run.score(failed=(1,))
    divide_last(run)
    stitch_run(RUN, run.ports)
    admitted = decode(AdmittedRun, run.bytes(layout.admission(RUN)))
    again = admitted.model_copy(update={"run_id": REPLAY, "replay_of": RUN})
    state = decode(RunState, run.bytes(layout.state(RUN)))
    run.put(layout.admission(REPLAY), encode_bytes(again))
    run.put(layout.inputs(REPLAY), run.bytes(layout.inputs(RUN)))
    run.put(layout.state(REPLAY), encode_bytes(state.model_copy(update={"run_id": REPLAY})))
    return run


def divide_last(run: MemoryWordRun) -> None:
    pieces = tuple(Piece(first_item=item, items=1) for item in (6, 7, 8))
    broken = failure(Code.SHARD_FAILED, "it broke", item=7, shard_id=2)
    split = Split(
        run_id=RUN, shard_id=2, range=Piece(first_item=6, items=3), pieces=pieces, failure=broken, at=run.clock.now()
    )
    verdicts = [piece_verdict(run, RUN, b"O", pieces[0]), failed_piece(run), piece_verdict(run, RUN, b"E", pieces[2])]
    for piece, verdict in zip(pieces, verdicts, strict=True):
        run.put(layout.piece_verdict(RUN, 2, piece), encode_bytes(verdict))
    run.put(layout.split(RUN, 2, split.range), encode_bytes(split))
    run.put(layout.verdict(RUN, 2), encode_bytes(merged(split, verdicts)))


def piece_verdict(run: MemoryWordRun, run_id: str, letters: bytes, piece: Piece, shard_id: int = 2) -> Verdict:
    path = layout.part(run_id, shard_id, sha256_hex(letters), "txt")
    run.put(path, letters)
    part = PartRef(path=path.name, sha256=sha256_hex(letters), size_bytes=len(letters), media_type="text/plain")
    return Verdict(
        run_id=run_id,
        shard_id=shard_id,
        outcome=Outcome.DONE,
        items_done=piece.items,
        part=part,
        worker=WORKER,
        started_at=run.clock.now(),
        duration_s=0.25,
    )


def failed_piece(run: MemoryWordRun) -> Verdict:
    return Verdict(
        run_id=RUN,
        shard_id=2,
        outcome=Outcome.FAILED,
        items_done=0,
        items_failed=1,
        failure=failure(Code.SHARD_FAILED, "it broke", item=7, shard_id=2),
        worker=WORKER,
        started_at=run.clock.now(),
        duration_s=0.25,
    )


def score_the_rest(run: MemoryWordRun) -> None:
    """What workers do in a replay: the failed shard, and the failed piece of the divided one."""
    run.put(
        layout.verdict(REPLAY, 1),
        encode_bytes(piece_verdict(run, REPLAY, b"PSC", Piece(first_item=3, items=3), shard_id=1)),
    )
    split = decode(Split, run.bytes(layout.split(REPLAY, 2, Piece(first_item=6, items=3))))
    middle = split.pieces[1]
    run.put(
        layout.piece_verdict(REPLAY, 2, middle),
        encode_bytes(piece_verdict(run, REPLAY, b"R", middle)),
    )
    verdicts = [decode(Verdict, run.bytes(layout.piece_verdict(REPLAY, 2, piece))) for piece in split.pieces]
    run.put(layout.verdict(REPLAY, 2), encode_bytes(merged(split, verdicts)))


def test_good_results_are_kept_and_only_what_failed_is_left_to_do(word_run: MemoryWordRun) -> None:
    run = first_run(word_run)

    plan_run(REPLAY, run.ports)

    index = decode(PlanIndex, run.bytes(layout.plan_index(REPLAY)))
    assert (index.run_id, index.shards, index.items) == (REPLAY, 3, 9)
    assert len(list(lines(ShardSpec, run.bytes(layout.plan_page(REPLAY, 1))))) == 3
    kept = decode(Verdict, run.bytes(layout.verdict(REPLAY, 0)))
    assert (kept.run_id, kept.scored_for, kept.items_kept) == (REPLAY, RUN, 3)
    assert not run.exists(layout.verdict(REPLAY, 1))
    assert not run.exists(layout.verdict(REPLAY, 2))
    pieces = [run.exists(layout.piece_verdict(REPLAY, 2, Piece(first_item=item, items=1))) for item in (6, 7, 8)]
    assert pieces == [True, False, True]


def test_the_outputs_are_whole_and_the_receipt_says_what_was_kept(word_run: MemoryWordRun) -> None:
    run = first_run(word_run)
    assert run.bytes(layout.output(RUN, "word-0.txt")) == b"DRO???O?E"

    plan_run(REPLAY, run.ports)
    score_the_rest(run)
    stitch_run(REPLAY, run.ports)

    assert run.bytes(layout.output(REPLAY, "word-0.txt")) == b"DROPSCORE"
    receipt = decode(Receipt, run.bytes(layout.receipt(REPLAY)))
    assert (receipt.replay_of, receipt.items_kept, receipt.items_published) == (RUN, 5, 9)
    assert receipt.worker_s == pytest.approx(0.5), "what the first run paid for is not charged again"
    assert receipt.notes[0] == f"Replays the run {RUN}: 4 of 9 items were scored again, 5 results are kept."
    assert run.bytes(layout.output(RUN, "word-0.txt")) == b"DRO???O?E", "the first run stays as it was"


@pytest.mark.parametrize("step", ["verdicts/000000.json", "pieces/000002/0000008-1.json", "plan/index.json"])
def test_a_planner_that_is_stopped_half_way_is_made_good_by_the_next(word_run: MemoryWordRun, step: str) -> None:
    run = first_run(word_run)
    run.blobs.operations.interrupt = fail_once_at(f"runs/{REPLAY}/{step}", "blob.put")
    with pytest.raises(TransientCloudError):
        plan_run(REPLAY, run.ports)

    plan_run(REPLAY, run.ports)

    score_the_rest(run)
    stitch_run(REPLAY, run.ports)
    assert run.bytes(layout.output(REPLAY, "word-0.txt")) == b"DROPSCORE"


def test_the_replay_of_a_replay_keeps_what_the_first_run_paid_for(word_run: MemoryWordRun) -> None:
    run = first_run(word_run)
    plan_run(REPLAY, run.ports)
    second = "re-words-fedcba9876543210"
    again = decode(AdmittedRun, run.bytes(layout.admission(REPLAY)))
    run.put(layout.admission(second), encode_bytes(again.model_copy(update={"run_id": second, "replay_of": REPLAY})))
    run.put(layout.inputs(second), run.bytes(layout.inputs(RUN)))

    plan_run(second, run.ports)

    assert decode(Verdict, run.bytes(layout.verdict(second, 0))).scored_for == RUN
