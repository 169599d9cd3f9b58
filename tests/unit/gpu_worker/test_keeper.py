"""The keeper, over real processes that do nothing but end in some way."""

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from gpu_worker.exits import Exit
from gpu_worker.keeper import pause_s

PROGRAM = """
    import ctypes, os, signal, sys, time
    import gpu_worker.keeper
    from gpu_worker.keeper import Keeper

    def hold(life, name="m"):
        return life.will.hold(queue="q", message_id=name, receipt="r", body=b"", deliveries=1, since=0.0, lease_s=1.0)

    def say(*words):
        os.write(1, (" ".join(map(str, words)) + "\\n").encode())

    def prepare(lives):
        say("prepares", lives)

    def live(life):
        {live}

    gpu_worker.keeper.pause_s = lambda deaths: 0.0
    sys.exit(Keeper(live, prepare).run())
"""


def program(live: str) -> list[str]:
    code = textwrap.dedent(PROGRAM).replace("    {live}", textwrap.indent(textwrap.dedent(live).strip(), "    "))
    return [sys.executable, "-c", code]


def kept(live: str) -> tuple[int, list[str]]:
    """Exit code of a keeper, and what its lives said."""
    ended = subprocess.run(program(live), capture_output=True, text=True, timeout=60, check=False)
    return ended.returncode, ended.stdout.splitlines()


def begin(live: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(program(live), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


@pytest.mark.parametrize("code", [Exit.IDLE, Exit.SETTINGS, Exit.NO_DEVICE, Exit.TERMINATED])
def test_a_worker_that_leaves_for_good_ends_the_keeper_with_its_code(code):
    assert kept(f"say(life.number); return {int(code)}") == (code, ["prepares 0", "1"])


@pytest.mark.parametrize(
    ("act", "told"),
    [
        ("ctypes.string_at(0)", "signal SIGSEGV 139"),
        ("os.abort()", "signal SIGABRT 134"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "signal SIGKILL 137"),
        ("raise ValueError('a bug')", "exit None 1"),
        (f"os._exit({int(Exit.HUNG)})", "hung None 71"),
        (f"return {int(Exit.DEVICE_LOST)}", "device_lost None 70"),
    ],
)
def test_another_life_follows_a_death_and_is_told_how_and_what_was_left(act, told):
    code, said = kept(f"""
        if life.number == 1:
            life.will.introduce({{"worker": {{"worker": "w1"}}}})
            hold(life, "left").started()
            {act}
        (dead,) = life.estate
        say(dead.death.cause, dead.death.signal, dead.death.code)
        say(*[left.message_id for left in dead.will.left()], life.before["worker"]["worker"], life.number)
        return 0
    """)
    assert (code, said) == (0, ["prepares 0", "prepares 1", told, "left w1 2"])


def test_what_the_next_life_could_not_see_to_either_is_left_to_the_one_after():
    code, said = kept("""
        for dead in life.estate:
            say(*[left.message_id for left in dead.will.left()])
        if life.number == 3:
            return 0
        hold(life, f"of-{life.number}")
        ctypes.string_at(0)
    """)
    assert (code, said) == (0, ["prepares 0", "prepares 1", "of-1", "of-1", "of-2"])


def test_what_was_seen_to_is_left_to_nobody():
    _, said = kept("""
        say(len(life.estate))
        for dead in life.estate:
            for left in dead.will.left():
                dead.will.strike(left)
        if life.number == 3:
            return 0
        if life.number == 1:
            hold(life)
        ctypes.string_at(0)
    """)
    assert said == ["prepares 0", "0", "prepares 1", "1", "0"]


def test_a_worker_that_dies_again_and_again_in_vain_leaves_and_gives_back_what_it_held():
    code, said = kept("""
        if life.last:
            say("last", len(life.estate))
            return 0
        hold(life)
        ctypes.string_at(0)
    """)
    assert code == Exit.CRASHING
    assert said == ["prepares 0", "prepares 1", "last 10"]


def test_a_worker_that_settles_something_in_each_life_may_die_as_often_as_it_likes():
    code, _ = kept("""
        life.will.count_settled()
        if life.number == 25:
            return 0
        ctypes.string_at(0)
    """)
    assert code == 0


@pytest.mark.fault(18)
def test_a_worker_that_loses_its_device_twice_in_vain_leaves():
    code, said = kept(f"say(life.number); return {int(Exit.DEVICE_LOST)}")
    assert (code, said) == (Exit.DEVICE_LOST, ["prepares 0", "1", "prepares 1", "2"])


def test_pauses_between_lives_begin_late_and_grow_to_a_bound():
    assert [pause_s(deaths) for deaths in (1, 3, 4, 5, 9, 30)] == [0.0, 0.0, 0.1, 0.2, 3.2, 5.0]


def test_the_worker_dies_with_its_keeper(wait_until: Callable[..., None]):
    with begin("say(os.getpid()); time.sleep(60)") as keeper:
        assert keeper.stdout is not None
        keeper.stdout.readline()
        child = int(keeper.stdout.readline())
        keeper.kill()
        wait_until(lambda: not alive(child))


@pytest.mark.fault(21)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_handed_on_and_the_exit_code_comes_back(number):
    with begin("say(1); signal.sigwait({signal.SIGTERM}); return 143") as keeper:
        assert keeper.stdout is not None
        assert [keeper.stdout.readline(), keeper.stdout.readline()] == ["prepares 0\n", "1\n"]
        keeper.send_signal(number)
        assert keeper.wait(20) == Exit.TERMINATED


def test_one_that_does_not_leave_is_ended_after_a_while_and_what_it_held_given_back():
    with begin("""
        if life.last:
            say("last", life.estate[0].death.cause)
            return 0
        hold(life)
        os.kill(os.getppid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGSTOP)
    """) as keeper:
        assert keeper.wait(30) == 128 + signal.SIGKILL
        assert keeper.stdout is not None
        assert keeper.stdout.read().splitlines()[-1] == "last told"


@pytest.mark.fault(60)
def test_one_that_takes_more_memory_than_it_may_is_ended():
    code, said = kept("""
        if life.number == 1:
            life.will.introduce({"memory_limit_bytes": 200 * 2**20})
            taken = bytearray(os.urandom(1)) * (400 * 2**20)
            time.sleep(60)
        say(life.estate[0].death.cause if life.estate else "nothing was held")
        return 0
    """)
    assert (code, said) == (0, ["prepares 0", "prepares 1", "nothing was held"])


def test_a_life_leaves_no_core_file_and_takes_signals_of_its_own_children():
    code, said = kept("""
        import resource
        say(resource.getrlimit(resource.RLIMIT_CORE), signal.SIGCHLD in signal.pthread_sigmask(signal.SIG_BLOCK, ()))
        return 0
    """)
    assert (code, said) == (0, ["prepares 0", "(0, 0) False"])


def test_the_keeper_starts_without_pydantic_azure_or_torch():
    code = "import gpu_worker.__main__, sys; print(sorted({'pydantic', 'azure', 'torch', 'numpy'} & set(sys.modules)))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert ended.stdout.strip() == "[]"


def test_what_the_keeper_imports_for_its_next_lives_starts_no_thread_and_touches_no_device():
    code = """
import gpu_worker.__main__ as entry
from gpu_worker.keeper import threads
entry.prepare(0)
entry.prepare(1)
import torch
print(threads(), torch.cuda.is_initialized())
"""
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=100, env=dict(os.environ)
    )
    assert ended.stdout.strip() == "1 False"
