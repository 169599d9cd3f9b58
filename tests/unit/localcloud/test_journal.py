"""The journal of the durable backend."""

import json

import pytest

from localcloud.durable import journal as journal_module
from localcloud.durable.journal import End, Entry, Journal


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folder" / "durable.jsonl"


def entry(**changes):
    return Entry(**{"name": "score_run", "input": '{"a":1}', "at": "2026-01-01T00:00:00+00:00", **changes})


def reopened(path):
    journal = Journal(path)
    journal.close()
    return journal.entries()


def test_a_start_is_known_again(path):
    journal = Journal(path)
    started = entry(version="2", tags={"a": "b"})
    journal.started("r1", started)
    journal.sync()
    journal.close()
    assert reopened(path) == {"r1": started}


def test_a_start_is_in_the_file_before_anything_is_closed(path):
    journal = Journal(path)
    journal.started("r1", entry())
    assert json.loads(path.read_text())["start"] == "r1"
    journal.close()


def test_an_end_is_known_again(path):
    journal = Journal(path)
    journal.started("r1", entry())
    end = End(status="FAILED", error_type="ValueError", error="no", at="2026-01-01T00:00:01+00:00")
    journal.ended("r1", end)
    journal.close()
    assert reopened(path)["r1"].end == end


def test_the_end_of_an_unknown_instance_is_left_out(path):
    journal = Journal(path)
    journal.ended("child", End(status="COMPLETED"))
    journal.close()
    assert path.read_bytes() == b""


def test_purged_instances_are_forgotten(path):
    journal = Journal(path)
    journal.started("r1", entry())
    journal.asked("purge", "r1")
    journal.close()
    assert reopened(path) == {}


def test_a_terminated_instance_has_ended_even_if_nobody_wrote_its_end(path):
    journal = Journal(path)
    journal.started("r1", entry())
    journal.asked("terminate", "r1")
    journal.close()
    assert reopened(path)["r1"].end == End(status="TERMINATED")


@pytest.mark.parametrize(("verbs", "suspended"), [(["suspend"], True), (["suspend", "resume"], False)])
def test_a_suspended_instance_stays_suspended(path, verbs, suspended):
    journal = Journal(path)
    journal.started("r1", entry())
    for verb in verbs:
        journal.asked(verb, "r1")
    journal.close()
    assert reopened(path)["r1"].suspended is suspended


def test_a_line_cut_by_a_kill_is_left_out(path):
    journal = Journal(path)
    journal.started("r1", entry())
    journal.started("r2", entry())
    journal.close()
    path.write_bytes(path.read_bytes()[:-7])
    assert list(reopened(path)) == ["r1"]


def test_an_instance_started_again_has_not_ended(path):
    journal = Journal(path)
    journal.started("r1", entry())
    journal.ended("r1", End(status="COMPLETED"))
    journal.started("r1", entry(input="2"))
    journal.close()
    assert reopened(path)["r1"] == entry(input="2")


def test_the_file_is_rewritten_when_most_of_it_no_longer_matters(path):
    journal = Journal(path)
    journal.started("kept", entry())
    for number in range(journal_module.SLACK_LINES):
        journal.started(f"r{number}", entry())
        journal.asked("purge", f"r{number}")
    assert len(path.read_text().splitlines()) < journal_module.SLACK_LINES + 10
    journal.close()
    assert list(reopened(path)) == ["kept"]


def test_the_oldest_ends_are_forgotten_first_and_the_unfinished_never(path, monkeypatch):
    monkeypatch.setattr(journal_module, "KEPT_ENDS", 2)
    journal = Journal(path)
    for name in ("running", "old", "middle", "new"):
        journal.started(name, entry())
        if name != "running":
            journal.ended(name, End(status="COMPLETED"))
    journal.close()
    assert list(reopened(path)) == ["running", "middle", "new"]
