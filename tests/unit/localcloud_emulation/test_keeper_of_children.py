"""Programs are started, signalled and waited for, and never outlive the emulator that asked for them."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest

from localcloud.emulation.children import KILLED, Command, Keeper, LaunchError

ENVIRONMENT = {"PATH": os.environ["PATH"]}


def command(folder: Path, *argv: str, log: bool = False) -> Command:
    outputs = {"log": folder / "log"} if log else {"stdout": folder / "stdout.txt", "stderr": folder / "stderr.txt"}
    return Command(argv=argv, environment=ENVIRONMENT, folder=folder, **outputs)


def with_keeper(folder: Path, scenario):
    """Run an asynchronous scenario with an open keeper."""

    async def run():
        keeper = Keeper(folder)
        await keeper.open()
        try:
            return await scenario(keeper)
        finally:
            await keeper.close()

    return asyncio.run(run())


def alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_streams_go_to_their_files_and_the_exit_code_comes_back(tmp_path):
    async def scenario(keeper):
        child = await keeper.run(command(tmp_path, "sh", "-c", "echo out; echo err >&2; exit 3"))
        return await child.wait()

    assert with_keeper(tmp_path, scenario) == 3
    assert (tmp_path / "stdout.txt").read_text() == "out\n"
    assert (tmp_path / "stderr.txt").read_text() == "err\n"


def test_a_program_sees_the_environment_it_was_given_and_its_mark(tmp_path):
    async def scenario(keeper):
        child = await keeper.run(command(tmp_path, "env"))
        return await child.wait()

    with_keeper(tmp_path, scenario)
    names = {line.partition("=")[0] for line in (tmp_path / "stdout.txt").read_text().splitlines()}
    assert names == {"PATH", "LOCALCLOUD_OWNER"}


def test_a_log_has_each_line_behind_its_time_and_is_whole_when_the_exit_is_known(tmp_path):
    async def scenario(keeper):
        child = await keeper.run(command(tmp_path, "sh", "-c", "seq 2000; printf unfinished", log=True))
        await child.wait()
        return (tmp_path / "log").read_text()

    lines = with_keeper(tmp_path, scenario).splitlines()
    assert [line.partition("Z ")[2] for line in lines] == [*map(str, range(1, 2001)), "unfinished"]
    assert all(len(line.partition(" ")[0]) == len("2025-01-01T00:00:00.000000000Z") for line in lines)


def test_a_missing_program_is_told_apart_from_one_that_may_not_run(tmp_path):
    (tmp_path / "text").write_text("not a program")

    async def scenario(keeper):
        with pytest.raises(LaunchError) as missing:
            await keeper.run(command(tmp_path, "no-such-program"))
        with pytest.raises(LaunchError) as refused:
            await keeper.run(command(tmp_path, str(tmp_path / "text")))
        with pytest.raises(LaunchError) as impossible:
            await keeper.run(command(tmp_path, "sh", "-c", "a\0b"))
        with pytest.raises(LaunchError) as nowhere:
            await keeper.run(
                Command(argv=("sh",), environment=ENVIRONMENT, folder=tmp_path / "gone", log=tmp_path / "l")
            )
        return [error.value.missing for error in (missing, refused, impossible, nowhere)]

    assert with_keeper(tmp_path, scenario) == [True, False, False, False]


def test_end_asks_first_and_insists_after_the_grace(tmp_path):
    stubborn = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"

    async def scenario(keeper):
        kind = await keeper.run(command(tmp_path, "sleep", "60"))
        code = await kind.end(grace_s=10)
        child = await keeper.run(command(tmp_path, sys.executable, "-c", stubborn))
        while "up" not in (tmp_path / "stdout.txt").read_text():
            await asyncio.sleep(0.005)
        return code, await child.end(grace_s=0.05)

    assert with_keeper(tmp_path, scenario) == (128 + signal.SIGTERM, KILLED)


def test_what_a_program_leaves_running_in_its_group_goes_with_it(tmp_path):
    async def scenario(keeper):
        child = await keeper.run(command(tmp_path, "sh", "-c", "sleep 60 & echo $!"))
        return await child.wait()

    assert with_keeper(tmp_path, scenario) == 0
    assert not alive(int((tmp_path / "stdout.txt").read_text()))


def test_closing_kills_everything(tmp_path):
    pids = []

    async def scenario(keeper):
        child = await keeper.run(command(tmp_path, "sh", "-c", "sleep 60 & echo $!; wait"))
        while not (tmp_path / "stdout.txt").read_text():
            await asyncio.sleep(0.005)
        pids.extend([child.pid, int((tmp_path / "stdout.txt").read_text())])

    with_keeper(tmp_path, scenario)
    assert not any(map(alive, pids))


def test_a_killed_keeper_takes_its_children_along_and_the_next_program_gets_a_new_one(tmp_path):
    async def scenario(keeper):
        child = await keeper.run(command(tmp_path, "sleep", "60"))
        os.kill(psutil.Process(child.pid).ppid(), signal.SIGKILL)
        code = await child.wait()
        again = await keeper.run(command(tmp_path, "sh", "-c", "exit 5"))
        return code, await again.wait()

    assert with_keeper(tmp_path, scenario) == (KILLED, 5)


EMULATOR = textwrap.dedent(
    """
    import asyncio, os, sys
    from pathlib import Path
    from localcloud.emulation.children import Command, Keeper

    async def main():
        folder = Path(sys.argv[1])
        keeper = Keeper(folder)
        script = "setsid sleep 61 & sleep 62 & echo $!; exec sleep 60"
        child = await keeper.run(Command(argv=("sh", "-c", script), environment={"PATH": os.environ["PATH"]},
            folder=folder, stdout=folder / "stdout.txt", stderr=folder / "stderr.txt"))
        print(child.pid, flush=True)
        await child.wait()

    asyncio.run(main())
    """
)


def owned_by(folder: Path) -> list[int]:
    """Processes that carry the mark of an emulator's folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("LOCALCLOUD_OWNER") == str(folder.resolve()):
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


def test_nothing_outlives_an_emulator_that_is_killed_not_even_what_left_its_group(tmp_path, wait_until):
    with subprocess.Popen([sys.executable, "-c", EMULATOR, str(tmp_path)], stdout=subprocess.PIPE) as emulator:
        assert emulator.stdout is not None
        emulator.stdout.readline()
        wait_until(lambda: len(owned_by(tmp_path)) == 3)
        emulator.kill()
    wait_until(lambda: not owned_by(tmp_path))


def test_a_new_keeper_first_kills_what_an_emulator_and_its_keeper_left_behind(tmp_path, wait_until):
    with subprocess.Popen([sys.executable, "-c", EMULATOR, str(tmp_path)], stdout=subprocess.PIPE) as emulator:
        assert emulator.stdout is not None
        pid = int(emulator.stdout.readline())
        wait_until(lambda: len(owned_by(tmp_path)) == 3)
        keeper = psutil.Process(pid).ppid()
        emulator.send_signal(signal.SIGSTOP)
        os.kill(keeper, signal.SIGKILL)
        emulator.kill()
    wait_until(lambda: not alive(pid))
    assert owned_by(tmp_path), "something that the kernel does not end with its parent is left, or this proves nothing"

    async def scenario(keeper):
        child = await keeper.run(command(tmp_path, "true"))
        await child.wait()

    with_keeper(tmp_path, scenario)
    assert not owned_by(tmp_path)
