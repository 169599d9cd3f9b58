"""Wills that outlive the keeper: who finds them, and when."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from gpu_worker import wills as module
from gpu_worker.will import SIZE, Will
from gpu_worker.wills import Wills

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells which start of the machine this is")


def hold(will: Will, message_id: str) -> None:
    will.hold(
        queue="shards-normal", message_id=message_id, receipt="r", body=b"{}", deliveries=1, since=1.0, lease_s=30.0
    )


def ids(wills: tuple[Will, ...]) -> list[list[str]]:
    return [[lease.message_id for lease in will.left()] for will in wills]


@pytest.fixture
def killed(tmp_path: Path):
    """A keeper with a child that holds a lease, both ended by SIGKILL once they have said so."""
    program = textwrap.dedent(
        f"""
        import os, sys, time
        from gpu_worker.wills import Wills
        will = Wills({str(tmp_path)!r}).new()
        if os.fork() == 0:
            will.hold(queue="q", message_id="m-" + sys.argv[1], receipt="r", body=b"{{}}", deliveries=1, since=1.0,
                      lease_s=30.0)
            print("held", os.getpid(), flush=True)
        time.sleep(60)
        """
    )

    def kill(name: str, *, child: bool = True) -> int:
        keeper = subprocess.Popen([sys.executable, "-c", program, name], stdout=subprocess.PIPE, text=True)
        assert keeper.stdout is not None
        pid = int(keeper.stdout.readline().split()[1])
        keeper.kill()
        keeper.wait()
        keeper.stdout.close()
        if child:
            os.kill(pid, signal.SIGKILL)
            while Path(f"/proc/{pid}").exists() and Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z":
                time.sleep(0.005)
        return pid

    return kill


@pytest.mark.fault(19)
def test_what_a_killed_keeper_and_its_child_held_is_found_by_the_next_oldest_first(tmp_path, killed):
    killed("1")
    killed("2")
    following = Wills(str(tmp_path))
    found = following.left()
    assert ids(found) == [["m-1"], ["m-2"]]
    assert Wills(str(tmp_path)).left() == ()  # they are another's
    for will in found:
        following.forget(will)
    assert list(tmp_path.iterdir()) == []


def test_a_child_that_still_lives_keeps_its_will(tmp_path, killed):
    pid = killed("1", child=False)
    try:
        assert Wills(str(tmp_path)).left() == ()
    finally:
        os.kill(pid, signal.SIGKILL)


def test_the_will_of_one_that_died_before_it_had_seen_to_another_s_leaves_both(tmp_path, killed):
    killed("1")
    reader, writer = os.pipe()
    if (pid := os.fork()) == 0:
        taken = Wills(str(tmp_path))
        own = taken.new()
        hold(own, str(len(taken.left())))
        os.write(writer, b".")
        time.sleep(60)
    os.read(reader, 1)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(reader)
    os.close(writer)
    assert ids(Wills(str(tmp_path)).left()) == [["m-1"], ["1"]]


def test_a_will_from_before_the_machine_started_is_removed(tmp_path, killed, monkeypatch):
    killed("1")
    now = tmp_path / "boot"
    now.write_text("another-boot\n")
    monkeypatch.setattr(module, "BOOT_ID", str(now))
    assert Wills(str(tmp_path)).left() == ()
    assert list(tmp_path.iterdir()) == [now]


def test_a_file_of_another_size_is_removed_and_one_of_another_kind_is_let_be(tmp_path):
    wills = Wills(str(tmp_path))
    wills.forget(wills.new())
    boot = Path(module.BOOT_ID).read_text().strip()
    short, other = tmp_path / f"{boot}-1-a.will", tmp_path / "notes.txt"
    short.write_bytes(b"x")
    other.write_text("mine")
    assert wills.left() == ()
    assert list(tmp_path.iterdir()) == [other]


@pytest.mark.parametrize("folder", [None, "", "/proc/nowhere/wills"])
def test_without_a_folder_a_will_lies_in_memory(folder):
    wills = Wills(folder)
    will = wills.new()
    hold(will, "m-1")
    assert ids((will,)) == [["m-1"]]
    assert wills.left() == ()
    wills.forget(will)


def test_a_will_takes_its_room_on_disk_at_once(tmp_path):
    Wills(str(tmp_path)).new()
    (path,) = tmp_path.iterdir()
    assert path.stat().st_size == SIZE
    assert path.stat().st_blocks * 512 >= SIZE
    assert path.stat().st_mode & 0o777 == 0o600
