"""The command as a process: its start, its streams, its exit codes."""

import json
import os
import pty
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from small_cloud import SmallCloud, state_of

from dropscore import __version__
from dropscore.cli.exits import Exit
from dropscore.contracts.failures import Code, failure
from dropscore.contracts.run import RunStatus

RUN = "film-night-3f9a0c1d2e4b5a67"
HELP_BUDGET_S = 0.2
HEAVY = ("torch", "numpy", "av", "PIL", "azure", "rich", "requests", "skimage", "jinja2", "dropscore.contracts")

WATCH_IMPORTS = """
import importlib.abc, json, sys
loaded = []
class Watcher(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        loaded.append(name)
sys.meta_path.insert(0, Watcher())
sys.argv = ["dropscore", *sys.argv[1:]]
from dropscore.cli.main import main
try:
    main()
finally:
    print(json.dumps(loaded), file=sys.stderr)
"""


@pytest.fixture
def surroundings(tmp_path: Path, repository: Path) -> dict[str, str]:
    """An environment without settings, in which compiled modules are kept as they are for a user."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return kept | {"DROPSCORE_LOCAL": str(tmp_path), "PYTHONPATH": str(repository)}


def command(surroundings: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dropscore.cli", *arguments],
        env=surroundings,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def at(cloud: SmallCloud, surroundings: dict[str, str]) -> dict[str, str]:
    """The environment that names a cloud."""
    return surroundings | {"DROPSCORE_URL": cloud.url}


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["run", "--help"], ["models", "--help"]])
def test_help_loads_nothing_heavy(surroundings: dict[str, str], arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WATCH_IMPORTS, *arguments],
        env=surroundings,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    loaded = set(json.loads(done.stderr.splitlines()[-1]))
    assert loaded & set(HEAVY) == set()


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]])
def test_help_appears_within_the_budget(
    surroundings: dict[str, str],
    arguments: list[str],
    tmp_path: Path,
    slowness: float,
    record_testsuite_property: Callable[[str, object], None],
) -> None:
    """The best of several starts, in seconds of the processor: what else a machine does must not decide this."""
    surroundings["PYTHONPYCACHEPREFIX"] = str(tmp_path / "compiled")
    command(surroundings, *arguments)  # compiles
    spent = [start_and_end(surroundings, *arguments) for _ in range(7)]

    wall_s, processor_s = (round(min(times), 3) for times in zip(*spent, strict=True))
    record_testsuite_property(f"dropscore {arguments[0]}: wall time, s", wall_s)
    record_testsuite_property(f"dropscore {arguments[0]}: processor time, s", processor_s)
    assert processor_s < HELP_BUDGET_S * slowness


def start_and_end(surroundings: dict[str, str], *arguments: str) -> tuple[float, float]:
    """Wall and processor time of one call, in seconds."""
    started = time.perf_counter()
    process = os.posix_spawn(
        sys.executable,
        [sys.executable, "-m", "dropscore.cli", *arguments],
        surroundings,
        file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)],
    )
    _, status, used = os.wait4(process, 0)
    assert status == 0
    return time.perf_counter() - started, used.ru_utime + used.ru_stime


def test_version_is_printed(surroundings: dict[str, str]) -> None:
    done = command(surroundings, "--version")

    assert (done.returncode, done.stdout) == (0, f"dropscore {__version__}\n")


def test_help_documents_every_exit_code(surroundings: dict[str, str]) -> None:
    shown = command(surroundings, "--help").stdout

    for code in Exit:
        assert f"  {code.value} " in shown


def test_wrong_use_exits_2(surroundings: dict[str, str]) -> None:
    assert command(surroundings, "frobnicate").returncode == Exit.USAGE
    assert command(surroundings, "run", "a.mp4").returncode == Exit.USAGE


def test_without_a_cloud_it_says_what_to_set_and_exits_6(surroundings: dict[str, str]) -> None:
    done = command(surroundings, "runs")

    assert done.returncode == Exit.ENVIRONMENT
    assert done.stdout == ""
    assert done.stderr.startswith("E-SETTINGS-INVALID  DROPSCORE_URL is not set")
    assert "Traceback" not in done.stderr


def test_an_api_that_does_not_answer_exits_6_with_code_sentence_and_action(surroundings: dict[str, str]) -> None:
    surroundings |= {"DROPSCORE_URL": "http://127.0.0.1:1"}

    done = command(surroundings, "runs", "--json")

    error = json.loads(done.stdout)["error"]
    assert done.returncode == Exit.ENVIRONMENT
    assert error["code"] == "E-API-UNREACHABLE"
    assert "Connection refused" in error["message"]
    assert "dropscore up" in error["action"]


def test_address_and_key_may_stand_before_the_command(cloud: SmallCloud, surroundings: dict[str, str]) -> None:
    cloud.put_run(state_of(RUN, RunStatus.SUCCEEDED))
    surroundings |= {"DROPSCORE_URL": "http://127.0.0.1:1"}

    done = command(surroundings, "--url", cloud.url, "--key", "s3cret", "show", RUN)

    assert (done.returncode, done.stderr) == (0, "")
    assert RUN in done.stdout
    assert "s3cret" not in done.stdout


@pytest.mark.parametrize("key", ["s3cret key", "s3cret\n"])
def test_a_key_that_is_none_is_refused_and_not_shown(surroundings: dict[str, str], key: str) -> None:
    done = command(surroundings, "--url", "http://127.0.0.1:1", "--key", f"{key}x", "runs")

    assert done.returncode == Exit.ENVIRONMENT
    assert "DROPSCORE_KEY" in done.stderr
    assert "s3cret" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "setting"),
    [
        (["run", "film.mp4", "-w", "style_transfer", "--trigger"], "DataStorage"),
        (["models", "push-shipped"], "SystemStorage"),
    ],
)
def test_what_needs_storage_itself_names_the_setting_that_is_missing(
    cloud: SmallCloud, surroundings: dict[str, str], tmp_path: Path, arguments: list[str], setting: str
) -> None:
    (tmp_path / "film.mp4").write_bytes(b"film")
    arguments = [str(tmp_path / one) if one == "film.mp4" else one for one in arguments]

    done = command(at(cloud, surroundings), *arguments)

    assert done.returncode == Exit.ENVIRONMENT
    assert done.stderr.startswith(f"E-SETTINGS-INVALID  {setting} is not set")
    assert cloud.storage.asked == []


def test_a_stack_trace_is_shown_with_debug_alone(surroundings: dict[str, str]) -> None:
    done = command(surroundings, "runs", "--debug")

    assert done.returncode not in (0, Exit.ENVIRONMENT)
    assert "Traceback" in done.stderr
    assert "SettingsError" in done.stderr


def test_output_to_a_program_has_no_escape_codes(cloud: SmallCloud, surroundings: dict[str, str]) -> None:
    why = failure(Code.INPUT_EMPTY)
    cloud.put_run(state_of(RUN, RunStatus.REJECTED, failure=why))

    for arguments in (["runs"], ["show", RUN], ["watch", RUN], ["watch", RUN, "--json"]):
        done = command(at(cloud, surroundings), *arguments)
        assert "\x1b" not in done.stdout + done.stderr
        assert RUN in done.stdout or "rejected" in done.stdout


def test_a_rejected_run_that_is_watched_exits_3(cloud: SmallCloud, surroundings: dict[str, str]) -> None:
    cloud.put_run(state_of(RUN, RunStatus.REJECTED, failure=failure(Code.INPUT_EMPTY)))

    assert command(at(cloud, surroundings), "watch", RUN).returncode == Exit.INVALID


def test_results_go_to_stdout_and_remarks_to_stderr(cloud: SmallCloud, surroundings: dict[str, str]) -> None:
    done = command(at(cloud, surroundings), "runs", "--status", "scoring")

    assert (done.returncode, done.stdout) == (0, "")
    assert "There are no runs" in done.stderr


@pytest.mark.parametrize(("variables", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_a_terminal_gets_colours_unless_no_color_is_set(
    cloud: SmallCloud, surroundings: dict[str, str], variables: dict[str, str], coloured: bool
) -> None:
    cloud.put_run(state_of(RUN, RunStatus.SUCCEEDED))
    shown = at_a_terminal(at(cloud, surroundings) | {"TERM": "xterm-256color", **variables}, "runs")

    assert RUN in shown
    assert ("\x1b[1;32m" in shown) is coloured


def test_json_at_a_terminal_is_plain_json(cloud: SmallCloud, surroundings: dict[str, str]) -> None:
    cloud.put_run(state_of(RUN, RunStatus.SUCCEEDED))

    shown = at_a_terminal(at(cloud, surroundings) | {"TERM": "xterm-256color"}, "watch", RUN, "--json")

    assert [json.loads(line)["status"] for line in shown.splitlines()] == ["succeeded"]


def at_a_terminal(surroundings: dict[str, str], *arguments: str) -> str:
    """What the command writes when both its streams are a terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "dropscore.cli", *arguments], env=surroundings, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 65_536):
            shown += piece
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    process.wait()
    return shown.decode()
