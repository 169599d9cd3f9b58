"""The judge of the chaos runs sees what is wrong, and a seed is the whole schedule."""

import json
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path

import pytest
from chaos_lines.lines import Kind
from harness.checks import Found, expected_output, violations
from harness.drive import Ended
from harness.figures import Result, recoveries
from harness.journal import Entry, History
from harness.nemesis import Blow
from harness.processes import Process, Role
from harness.records import Records, seeds_of, text_of
from harness.schedule import KINDS, Action, Moment, Schedule, Shape, Stage, Strike
from harness.table import put_into, row

ITEMS = [Kind.GOOD, Kind.GOOD, Kind.CORRUPT, Kind.GOOD]
SHAPE = Shape(shards=2, shard_items=2, bad={Kind.CORRUPT: 1})


def entry(at, pid, event, shard=0):
    return Entry(at=at, pid=pid, event=event, shard=shard, first=2 * shard, items=2)


def ended(**changes) -> Ended:
    run = Ended(
        schedule=Schedule(kind="kill", seed=0, shape=SHAPE),
        kinds=ITEMS,
        run_id="r1",
        status="succeeded_with_gaps",
        state={},
        began_at=0.0,
        wall_s=1.0,
        quiet_s=0.1,
        left=(),
        blows=(),
        history=History(()),
        deliveries=(),
        journal=Path(),
    )
    return replace(run, **changes)


def shelved(item, code="E-INPUT-CORRUPT"):
    return {"shard": {}, "piece": {"first_item": item, "items": 1}, "failure": {"code": code}}


def verdict(done, failed=0, duration_s=1.0):
    return {"items_done": done, "items_failed": failed, "duration_s": duration_s, "started_at": "2026-01-01T00:00:00Z"}


def found(**changes) -> Found:
    output = changes.get("output", expected_output(ITEMS)) or b""
    receipt = {
        "items_total": 4,
        "items_published": 3,
        "worker_s": 2.0,
        "outputs": [{"name": "scores.txt", "sha256": sha256(output).hexdigest()}],
    }
    right = Found(
        output=output,
        manifest={},
        receipt=receipt,
        verdicts=[verdict(2), verdict(1, 1)],
        quarantine=[shelved(2)],
        logs=[],
    )
    return replace(right, **changes)


def test_a_run_that_is_right_is_called_right():
    assert violations(ended(), found()) == []


@pytest.mark.parametrize(
    ("run", "storage", "said"),
    [
        ({"status": "failed"}, {}, "it ended failed"),
        ({"left": ("process 7 (planner)",)}, {}, "left behind: process 7"),
        ({}, {"output": expected_output(ITEMS)[:-75]}, "item 3 is published 0 times"),
        ({}, {"output": expected_output(ITEMS) + expected_output(ITEMS)[:75]}, "item 0 is published 2 times"),
        ({}, {"output": expected_output(ITEMS, "another model")}, "other bytes"),
        ({}, {"quarantine": []}, "item 2 is published 0 times and in quarantine 0 times"),
        ({}, {"quarantine": [shelved(2), shelved(3)]}, "item 3 is published 1 times and in quarantine 1 times"),
        ({}, {"quarantine": [shelved(2, "E-INTERNAL")]}, "under E-INTERNAL"),
        ({}, {"verdicts": [verdict(2), verdict(1, 1), verdict(1)]}, "3 verdicts for 2 shards"),
        ({}, {"verdicts": [verdict(2, duration_s=2.0), verdict(1, 1)]}, "charged 2.000 s"),
        ({}, {"logs": [("w.log", b"E-NONDET: another")]}, "different things"),
        ({}, {"manifest": None}, "nothing was published"),
    ],
)
def test_whatever_is_wrong_is_said(run, storage, said):
    assert any(said in wrong for wrong in violations(ended(**run), found(**storage))), said


def cancelled(at, until, **changes) -> Ended:
    strike = Strike(action=Action.CANCEL, moment=Moment(stage=Stage.DROPPED, delay_s=0.0))
    blow = Blow(strike=strike, at=at, until=until)
    schedule = Schedule(kind="cancel", seed=0, shape=SHAPE, strikes=(strike,))
    return ended(schedule=schedule, status="cancelled", blows=(blow,), began_at=at - 1, **changes)


@pytest.mark.fault(50)
def test_what_is_committed_or_left_after_a_cancellation_is_said():
    nothing = {"output": None, "manifest": None}
    begun = datetime.fromisoformat(verdict(1)["started_at"]).timestamp()
    assert violations(cancelled(begun, begun + 1.0), found(**nothing)) == []
    (late,) = violations(cancelled(begun - 1, begun), found(**nothing))
    assert "2 verdicts were written after the cancellation" in late
    (slow,) = violations(cancelled(begun, begun + 1.0, quiet_s=11.0), found(**nothing))
    assert "went by from the acknowledgement" in slow


def test_the_same_seed_is_the_same_schedule_and_another_is_another():
    for make in KINDS.values():
        assert str(make(7)) == str(make(7))
    assert len({str(KINDS["mixed"](seed).strikes) for seed in range(20)}) == 20
    assert KINDS["poison"](3).kinds() == KINDS["poison"](3).kinds()


def test_recovery_counts_from_the_death_to_the_next_opening_of_what_was_at_work():
    death = Strike(action=Action.KILL, role=Role.WORKER, moment=Moment(stage=Stage.DROPPED, delay_s=0.0))
    blow = Blow(strike=death, at=10.0, hit=(Process(pid=1, parent=0, role=Role.WORKER, command=""),))
    entries = (
        entry(8.0, 1, "opened"),
        entry(8.5, 1, "closed"),
        entry(9.0, 1, "opened", shard=1),
        entry(12.5, 2, "opened", shard=1),
    )
    assert recoveries(ended(blows=(blow,), history=History(entries))) == [2.5]


def test_executions_by_two_processes_are_told_from_one():
    closed = tuple(entry(1.0 + pid, pid, "closed", shard) for pid, shard in ((1, 0), (2, 0), (1, 1)))
    assert History(closed).executed_twice == 1


def test_a_series_replaces_its_own_row_of_the_document():
    result = Result(name="kill-0", strikes=(), hits=1, wrong=(), wall_s=2.0, quiet_s=0.5)
    document = "# Title\n\n| kill | old |\n| stop | kept |\n\nMachine: old.\n"
    changed = put_into(document, [row("kill", "0..0", [result])])
    assert "| kill | 0..0 | 1 of 1 |" in changed
    assert "| stop | kept |" in changed
    assert "old" not in changed


def test_a_series_in_two_sittings_counts_both_and_of_a_seed_run_again_the_last(tmp_path):
    records = Records(tmp_path / "results.jsonl")
    first = Result(name="kill-0", strikes=("kill",), hits=1, wrong=("lost",), wall_s=2.0, quiet_s=0.5)
    for seed, result in ((0, first), (1, first), (0, replace(first, wrong=(), recoveries_s=(1.5, 2.5)))):
        records.add("kill", seed, result)
        records.add("stop", seed, first)
    assert records.of("kill") == {0: replace(first, wrong=(), recoveries_s=(1.5, 2.5)), 1: first}


@pytest.mark.parametrize("text", ["7", "0..99", "3,5,9", "0..2,7,9..12"])
def test_seeds_are_said_as_they_were_asked_for(text):
    assert text_of(seeds_of(text)) == text


def test_journals_are_read_in_the_order_of_time(tmp_path):
    for pid, at in ((1, 2.0), (2, 1.0)):
        line = {"at": at, "pid": pid, "event": "opened", "shard": 0, "first": 0, "items": 2}
        (tmp_path / f"{pid}.jsonl").write_text(json.dumps(line) + "\n")
    assert [one.pid for one in History.read(tmp_path).entries] == [2, 1]
