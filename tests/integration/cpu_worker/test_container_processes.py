"""`python -m cpu_worker` as a process on the storage emulator."""

import json
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from container_processes import Container
from word_run import RUN, WordRun

from dropscore.contracts import layout
from dropscore.contracts.codec import decode
from dropscore.contracts.failures import Code, Failure
from dropscore.contracts.names import Role
from dropscore.contracts.plan import PlanIndex, RunEvent

pytestmark = pytest.mark.azurite


def test_plan_and_stitch_end_with_their_products(
    container: Container, words: WordRun, nudges: Callable[[], list[bytes]]
) -> None:
    words.admit([b"drop", b"score"])

    assert container.run("plan")[0] == 0
    words.score()
    assert container.run("stitch")[0] == 0

    assert decode(PlanIndex, words.bytes(layout.plan_index(RUN))).items == 9
    assert words.bytes(layout.output(RUN, "word-1.txt")) == b"SCORE"
    assert words.exists(layout.stitch_result(RUN))
    assert [decode(RunEvent, body).run_id for body in nudges()] == [RUN, RUN]


def test_logs_are_json_lines_on_stderr_and_the_same_in_storage(container: Container, words: WordRun) -> None:
    words.admit([b"drop"])

    _, printed = container.run("plan")

    told = [json.loads(line) for line in printed.splitlines()]
    assert [line["message"].split(".")[0] for line in told] == ["Planned the run: 4 items, shards: 2"]
    assert {"at", "level", "run_id", "actor", "action"} <= told[0].keys()
    assert words.bytes(layout.log(RUN, "plan")).decode() == printed


def test_a_second_start_is_quiet_and_successful(container: Container, words: WordRun) -> None:
    words.admit([b"drop"])
    container.run("plan")
    before = words.bytes(layout.log(RUN, "plan"))

    assert container.run("plan") == (0, "")
    assert words.bytes(layout.log(RUN, "plan")) == before


def test_a_permanent_failure_is_written_down_and_exits_3(container: Container, words: WordRun) -> None:
    words.admit([b"!!"])

    code, _ = container.run("plan")

    assert code == 3
    assert decode(Failure, words.bytes(layout.stage_failure(RUN, Role.PLAN))).code is Code.INPUT_UNREADABLE


def can_mount(folder: Path) -> bool:
    tried = ["unshare", "--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "small", str(folder)]
    if shutil.which("unshare") is None:
        return False
    return subprocess.run(tried, check=False, capture_output=True).returncode == 0


@pytest.mark.fault(35)
def test_a_full_disk_is_told_in_words_and_nothing_is_published(
    container: Container, words: WordRun, tmp_path: Path
) -> None:
    if not can_mount(tmp_path):
        pytest.skip("no small disk can be mounted here")
    words.admit([b"drop"] * 4)
    assert container.run("plan")[0] == 0
    words.score()
    container.disk_kib = 8

    assert container.run("stitch")[0] == 3

    why = decode(Failure, words.bytes(layout.stage_failure(RUN, Role.STITCH)))
    assert why.code is Code.DISK_FULL
    assert "was full while outputs of about 16 bytes were made" in why.message
    assert not words.exists(layout.stitch_result(RUN))


def test_a_later_attempt_adds_to_the_log_of_the_earlier(container: Container, words: WordRun) -> None:
    words.admit([b"!!"])

    container.run("plan")
    container.run("plan")

    assert len(words.bytes(layout.log(RUN, "plan")).splitlines()) == 2


def test_without_settings_it_names_them_and_exits_2(container: Container) -> None:
    del container.environment["SystemStorage"]

    code, printed = container.run("plan")

    assert code == 2
    assert "SystemStorage" in json.loads(printed)["message"]


def test_storage_that_is_gone_exits_75(container: Container) -> None:
    for name in ("DataStorage", "SystemStorage"):
        parts = dict(part.split("=", 1) for part in container.environment[name].strip(";").split(";"))
        parts["BlobEndpoint"] = f"http://127.0.0.1:1/{parts['AccountName']}"
        container.environment[name] = ";".join(f"{key}={value}" for key, value in parts.items())
    container.environment["STORAGE_PATIENCE_S"] = "1"

    assert container.run("plan")[0] == 75


def test_sigterm_in_the_middle_leaves_nothing_half_done_and_the_next_attempt_ends_the_work(
    container: Container, words: WordRun, tmp_path: Path, wait_until: Callable[..., None]
) -> None:
    go_on, waiting = tmp_path / "go-on", tmp_path / "go-on.waiting"
    words.admit([b"drop"], wait_for=str(go_on))
    container.run("plan")
    words.score()
    process = container.start("stitch")
    wait_until(waiting.exists, within_s=30)
    folder = Path(waiting.read_text())
    assert (folder / "begun.txt").exists()

    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)

    assert process.returncode == 143
    assert not folder.exists()
    assert not words.exists(layout.output(RUN, "word-0.txt"))
    assert not words.exists(layout.stitch_result(RUN))
    go_on.touch()
    assert container.run("stitch")[0] == 0
    assert words.bytes(layout.output(RUN, "word-0.txt")) == b"DROP"


def test_a_stitcher_killed_without_notice_is_repeated_to_the_same_outputs(
    container: Container, words: WordRun, tmp_path: Path, wait_until: Callable[..., None]
) -> None:
    go_on, waiting = tmp_path / "go-on", tmp_path / "go-on.waiting"
    words.admit([b"drop", b"score"], wait_for=str(go_on))
    container.run("plan")
    words.score()
    process = container.start("stitch")
    wait_until(waiting.exists, within_s=30)
    process.kill()
    process.communicate()
    go_on.touch()

    assert container.run("stitch")[0] == 0

    assert words.bytes(layout.output(RUN, "word-1.txt")) == b"SCORE"
