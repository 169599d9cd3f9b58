"""Documents, records and ledgers: what was written is there after a kill, and one process at a time owns a folder."""

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from localcloud.emulation.clock import SystemClock
from localcloud.emulation.documents import Documents, StateInUseError
from localcloud.emulation.ledger import Ledger
from localcloud.emulation.records import Records


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    name: str
    at: datetime
    tags: tuple[str, ...] = ()


@pytest.fixture
def open_documents(tmp_path):
    """Open the documents of the test's folder; all are closed in the end."""
    with contextlib.ExitStack() as stack:

        def opened():
            documents = Documents(tmp_path)
            stack.callback(documents.close)
            return documents

        yield opened


def notes(documents: Documents) -> Records[Note]:
    return Records(documents, "note", Note, lambda note: note.name)


def test_records_are_read_back_as_they_were(open_documents):
    documents = open_documents()
    note = Note(name="One", at=datetime(2025, 1, 1, 12, tzinfo=UTC), tags=("a", "b"))
    notes(documents).put(note)
    assert list(notes(documents)) == [note]


def test_keys_are_found_in_any_case_and_kept_as_written(open_documents):
    records = notes(open_documents())
    records.put(Note(name="One", at=datetime(2025, 1, 1, tzinfo=UTC)))
    assert records.get("oNE").name == "One"
    records.put(Note(name="ONE", at=datetime(2025, 1, 2, tzinfo=UTC)))
    assert len(records) == 1


def test_a_removed_record_is_gone_from_disk(open_documents):
    documents = open_documents()
    records = notes(documents)
    note = records.put(Note(name="one", at=datetime(2025, 1, 1, tzinfo=UTC)))
    records.remove(note)
    records.remove(note)
    assert documents.all("note") == []


def test_writes_made_together_are_all_there_or_none(open_documents):
    documents = open_documents()

    def write_then_fail():
        with documents.together():
            documents.put("note", "one", "1")
            raise KeyError

    with pytest.raises(KeyError):
        write_then_fail()
    assert documents.all("note") == []


def test_an_acknowledged_write_survives_sigkill(tmp_path, open_documents):
    program = textwrap.dedent(
        """
        import sys, time
        from pathlib import Path
        from localcloud.emulation.documents import Documents
        documents = Documents(Path(sys.argv[1]))
        for number in range(50):
            documents.put("note", f"{number:02}", str(number))
        print("written", flush=True)
        time.sleep(60)
        """
    )
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        with pytest.raises(StateInUseError, match="in use"):
            open_documents()
        os.kill(writer.pid, signal.SIGKILL)
    assert open_documents().all("note") == [str(number) for number in range(50)]


def test_state_of_another_version_is_left_behind(tmp_path, open_documents):
    documents = Documents(tmp_path)
    documents.put("note", "one", "1")
    documents._database.execute("PRAGMA user_version=999")
    documents.close()
    assert open_documents().all("note") == []


def test_a_ledger_counts_on_after_a_restart_and_passes_over_a_torn_line(tmp_path):
    path = tmp_path / "ledger.jsonl"
    ledger = Ledger(path, SystemClock())
    ledger.note("node", "n1", "created", pool="p")
    ledger.close()
    with path.open("ab") as file:
        file.write(b'{"n": 2, "torn')
    ledger = Ledger(path, SystemClock())
    assert [line["event"] for line in ledger.lines()] == ["created"]
    ledger.note("node", "n1", "removed")
    assert [(line["n"], line["event"]) for line in ledger.lines(since=1)] == [(2, "removed")]
    ledger.close()
