"""`cpu_worker stitch`."""

import hashlib

import pytest
from word_run import RUN, MemoryWordRun, fail_once_at

from cpu_worker.main import Exit, run_command
from cpu_worker.plan import plan_run
from cpu_worker.stitch import stitch_run
from dropscore.cloud.operations import Operation
from dropscore.contracts import layout
from dropscore.contracts.codec import decode, encode_bytes
from dropscore.contracts.errors import AccessDeniedError, ContainerGoneError, StorageFullError
from dropscore.contracts.failures import Code, Failure
from dropscore.contracts.names import ContainerName, Role
from dropscore.contracts.receipt import Receipt, StitchResult
from dropscore.contracts.report import Report
from dropscore.contracts.run import RunStatus
from dropscore.contracts.verdict import Verdict

PRODUCTS = (
    layout.stitch_result(RUN),
    layout.report_json(RUN),
    layout.report_html(RUN),
    layout.receipt(RUN),
    layout.output(RUN, "word-0.txt"),
)


def scored(run: MemoryWordRun, words: list[bytes], **scoring: object) -> MemoryWordRun:
    run.admit(words)
    plan_run(RUN, run.ports)
    run.score(**scoring)  # type: ignore[arg-type]
    run.nudges.clear()
    return run


@pytest.mark.fault(45)
@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ContainerGoneError("could not write: HTTP 404 ContainerNotFound"), Code.STORAGE_GONE),
        (StorageFullError("could not write: HTTP 507"), Code.STORAGE_REFUSED),
        (AccessDeniedError("could not write: HTTP 403"), Code.STORAGE_REFUSED),
    ],
)
def test_outputs_that_storage_refuses_are_a_failure_in_clear_words(
    word_run: MemoryWordRun, error: Exception, code: Code
) -> None:
    scored(word_run, [b"drop"])

    def refuse(operation: Operation) -> None:
        if operation.target.startswith("outputs/"):
            raise error

    word_run.blobs.operations.interrupt = refuse
    assert run_command(Role.STITCH, RUN, word_run.ports) == Exit.PERMANENT
    why = decode(Failure, word_run.bytes(layout.stage_failure(RUN, Role.STITCH)))
    assert (why.code, why.detail) == (code, str(error))

    word_run.blobs.operations.interrupt = None
    assert run_command(Role.STITCH, RUN, word_run.ports) == Exit.OK


def products(run: MemoryWordRun) -> list[bytes]:
    return [run.bytes(path) for path in PRODUCTS]


def test_outputs_are_uploaded_and_stitch_json_is_written_last(word_run: MemoryWordRun) -> None:
    scored(word_run, [b"drop", b"score"])
    word_run.blobs.operations.clear()

    stitch_run(RUN, word_run.ports)

    assert word_run.bytes(layout.output(RUN, "word-0.txt")) == b"DROP"
    assert word_run.bytes(layout.output(RUN, "word-1.txt")) == b"SCORE"
    stored = word_run.blobs.stored(layout.output(RUN, "word-0.txt"))
    assert stored is not None
    assert stored.content_type == "text/plain"
    assert word_run.blobs.operations.targets("blob.put")[-1] == str(layout.stitch_result(RUN))
    assert not word_run.exists(layout.output_manifest(RUN)), "publishing is not the stitcher's to do"
    assert word_run.nudges == ["stitched"]


def test_the_result_names_every_output_with_its_digest(word_run: MemoryWordRun) -> None:
    scored(word_run, [b"drop"])

    stitch_run(RUN, word_run.ports)

    result = decode(StitchResult, word_run.bytes(layout.stitch_result(RUN)))
    assert [(o.name, o.sha256) for o in result.outputs] == [("word-0.txt", hashlib.sha256(b"DROP").hexdigest())]
    assert (result.items_published, result.items_missing) == (4, 0)


def test_a_stitched_run_is_left_as_it_is(word_run: MemoryWordRun) -> None:
    scored(word_run, [b"drop"])
    stitch_run(RUN, word_run.ports)
    word_run.blobs.operations.clear()

    stitch_run(RUN, word_run.ports)

    assert word_run.blobs.operations.counts() == {"blob.head": 1}


@pytest.mark.parametrize("path", PRODUCTS, ids=str)
def test_a_stitcher_that_died_at_any_write_is_repeated_to_the_same_end(word_run: MemoryWordRun, path: object) -> None:
    scored(word_run, [b"drop"])
    word_run.blobs.operations.interrupt = fail_once_at(str(path), "blob.put")
    assert run_command(Role.STITCH, RUN, word_run.ports) == Exit.TRANSIENT
    assert not word_run.exists(layout.stitch_result(RUN))
    word_run.clock.advance(30)

    assert run_command(Role.STITCH, RUN, word_run.ports) == Exit.OK

    assert word_run.bytes(layout.output(RUN, "word-0.txt")) == b"DROP"
    receipt = decode(Receipt, word_run.bytes(layout.receipt(RUN)))
    report = decode(Report, word_run.bytes(layout.report_json(RUN)))
    assert receipt.finished_at == report.finished_at
    assert report.finished_at.encode()[:10] in word_run.bytes(layout.report_html(RUN))


def test_two_stitchers_at_once_end_in_the_same_bytes(word_run: MemoryWordRun) -> None:
    scored(word_run, [b"drop"])
    first: list[bytes] = []

    def other_stitcher_is_faster(operation: Operation) -> None:
        if operation.target == str(layout.report_json(RUN)) and operation.kind == "blob.put" and not first:
            first.append(b"")
            word_run.clock.advance(7)  # so that the two reports differ
            stitch_run(RUN, word_run.ports)
            first[:] = products(word_run)

    word_run.blobs.operations.interrupt = other_stitcher_is_faster

    stitch_run(RUN, word_run.ports)

    assert products(word_run) == first


def test_a_report_about_other_outputs_is_replaced(word_run: MemoryWordRun) -> None:
    """As after a replay: shards that had failed are scored now."""
    scored(word_run, [b"drop"], failed=[1])
    stitch_run(RUN, word_run.ports)
    word_run.blobs.delete(layout.stitch_result(RUN))
    word_run.score()

    stitch_run(RUN, word_run.ports)

    report = decode(Report, word_run.bytes(layout.report_json(RUN)))
    assert (report.status, report.items_missing) == (RunStatus.SUCCEEDED, 0)


def test_failed_shards_leave_a_gap_that_the_report_declares(word_run: MemoryWordRun) -> None:
    scored(word_run, [b"drop"], failed=[1])

    stitch_run(RUN, word_run.ports)

    assert word_run.bytes(layout.output(RUN, "word-0.txt")) == b"DRO?"
    report = decode(Report, word_run.bytes(layout.report_json(RUN)))
    assert (report.status, report.items_published, report.items_missing) == (RunStatus.SUCCEEDED_WITH_GAPS, 3, 1)
    assert [failure.message for failure in report.failures] == ["it broke"]


def test_a_stitcher_that_refuses_gaps_fails_the_run_for_good(word_run: MemoryWordRun) -> None:
    word_run.admit([b"drop"], demand_all=True)
    plan_run(RUN, word_run.ports)
    word_run.score(failed=[1])

    assert run_command(Role.STITCH, RUN, word_run.ports) == Exit.PERMANENT

    failure = decode(Failure, word_run.bytes(layout.stage_failure(RUN, Role.STITCH)))
    assert (failure.code, failure.shard_id) == (Code.SHARD_FAILED, 1)
    assert word_run.blobs.names(ContainerName.OUTPUTS) == ()


@pytest.mark.fault(48)
def test_a_part_that_is_not_what_its_verdict_says_is_never_published(word_run: MemoryWordRun) -> None:
    scored(word_run, [b"drop"])
    part = next(name for name in word_run.blobs.names(ContainerName.RUNS) if "/parts/000000" in name)
    word_run.put(layout.BlobPath(ContainerName.RUNS, part), b"WRONG")

    assert run_command(Role.STITCH, RUN, word_run.ports) == Exit.PERMANENT

    failure = decode(Failure, word_run.bytes(layout.stage_failure(RUN, Role.STITCH)))
    assert (failure.code, failure.shard_id) == (Code.OUTPUT_INVALID, 0)
    assert word_run.blobs.names(ContainerName.OUTPUTS) == ()


def test_the_receipt_has_digests_of_inputs_options_and_outputs(word_run: MemoryWordRun) -> None:
    admission = scored(word_run, [b"drop", b"score"]).admit([b"drop", b"score"])

    stitch_run(RUN, word_run.ports)

    receipt = decode(Receipt, word_run.bytes(layout.receipt(RUN)))
    assert receipt.input_digests == {
        "words/0.txt": hashlib.sha256(b"drop").hexdigest(),
        "words/1.txt": hashlib.sha256(b"score").hexdigest(),
    }
    assert receipt.options_digest == admission.options_digest
    assert receipt.outputs[1].sha256 == hashlib.sha256(b"SCORE").hexdigest()


def test_an_input_deleted_after_scoring_costs_its_digest_and_nothing_else(word_run: MemoryWordRun) -> None:
    scored(word_run, [b"drop"])
    word_run.blobs.delete(layout.input_file("words/0.txt"))

    assert run_command(Role.STITCH, RUN, word_run.ports) == Exit.OK

    receipt = decode(Receipt, word_run.bytes(layout.receipt(RUN)))
    assert receipt.input_digests == {}
    assert receipt.inputs[0].etag


def test_retries_and_worker_time_are_counted(word_run: MemoryWordRun) -> None:
    scored(word_run, [b"drop", b"score"], attempts={0: 3, 2: 2})

    stitch_run(RUN, word_run.ports)

    receipt = decode(Receipt, word_run.bytes(layout.receipt(RUN)))
    assert receipt.retries == 3
    assert receipt.worker_s == pytest.approx(4 * 0.5)


def test_every_verdict_is_read_once_and_each_part_once(word_run: MemoryWordRun) -> None:
    scored(word_run, [b"dropscore"])
    word_run.blobs.operations.clear()

    stitch_run(RUN, word_run.ports)

    read = word_run.blobs.operations.targets("blob.get")
    assert len([target for target in read if "/verdicts/" in target]) == 3
    assert len([target for target in read if "/parts/" in target]) == 3
    assert len([target for target in read if target.startswith("inputs/")]) == 1


@pytest.mark.parametrize("name", ["../escape.txt", "manifest.json", "missing.txt"])
def test_an_output_with_a_name_that_may_not_be_is_a_bug_not_an_upload(
    word_run: MemoryWordRun, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import letters_workload

    honest = letters_workload.stitch

    def misnaming(request: letters_workload.StitchRequest) -> letters_workload.Stitched:
        stitched = honest(request)
        renamed = stitched.outputs[0].model_copy(update={"name": name})
        return letters_workload.Stitched(outputs=(renamed,), items_published=4)

    monkeypatch.setattr(letters_workload, "stitch", misnaming)
    scored(word_run, [b"drop"])

    assert run_command(Role.STITCH, RUN, word_run.ports) == Exit.UNEXPECTED
    assert word_run.blobs.names(ContainerName.OUTPUTS) == ()


def test_a_divided_shard_is_stitched_from_its_pieces_and_its_failures_are_named_by_item(
    word_run: MemoryWordRun,
) -> None:
    scored(word_run, [b"drop", b"score"], divided={0: [1], 3: [0, 1]})

    stitch_run(RUN, word_run.ports)

    assert word_run.bytes(layout.output(RUN, "word-0.txt")) == b"D?OP"
    assert word_run.bytes(layout.output(RUN, "word-1.txt")) == b"SCO??"
    result = decode(StitchResult, word_run.bytes(layout.stitch_result(RUN)))
    receipt = decode(Receipt, word_run.bytes(layout.receipt(RUN)))
    assert (result.items_published, result.items_missing) == (6, 3)
    assert (receipt.items_published, receipt.items_missing, receipt.items_total) == (6, 3, 9)
    assert receipt.coverage == pytest.approx(6 / 9)
    for failures in (result.failures, receipt.failures):
        assert [(failure.item, failure.shard_id) for failure in failures] == [(1, 0), (7, 3), (8, 3)]
    report = decode(Report, word_run.bytes(layout.report_json(RUN)))
    assert report.status is RunStatus.SUCCEEDED_WITH_GAPS
    assert b"item 7" in word_run.bytes(layout.report_html(RUN))


@pytest.mark.fault(48)
def test_pieces_that_are_not_the_whole_of_their_shard_are_refused(word_run: MemoryWordRun) -> None:
    scored(word_run, [b"drop"], divided={0: []})
    path = layout.verdict(RUN, 0)
    verdict = decode(Verdict, word_run.bytes(path))
    word_run.put(path, encode_bytes(verdict.model_copy(update={"pieces": verdict.pieces[:-1]})))

    assert run_command(Role.STITCH, RUN, word_run.ports) == Exit.PERMANENT
    told = decode(Failure, word_run.bytes(layout.stage_failure(RUN, Role.STITCH)))
    assert "the pieces of shard 0 are not the whole of it" in told.message
