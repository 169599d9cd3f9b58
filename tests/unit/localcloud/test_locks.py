"""Locks on files."""

import subprocess
import sys

import pytest

from localcloud.locks import LockedError, exclusive


def test_a_second_holder_is_refused_when_patience_ends(tmp_path):
    with (
        exclusive(tmp_path / "lock"),
        pytest.raises(LockedError, match="Another process is using"),
        exclusive(tmp_path / "lock", patience_s=0.05),
    ):
        pass


def test_a_lock_can_be_taken_again_when_it_was_given_back(tmp_path):
    for _ in range(2):
        with exclusive(tmp_path / "lock", patience_s=0):
            assert (tmp_path / "lock").exists()


def test_a_lock_lasts_as_long_as_any_heir_lives(tmp_path):
    with exclusive(tmp_path / "lock") as lock:
        heir = subprocess.Popen(
            [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE, pass_fds=(lock,)
        )
    with heir:
        with pytest.raises(LockedError), exclusive(tmp_path / "lock", patience_s=0.05):
            pass
        heir.kill()
    with exclusive(tmp_path / "lock", patience_s=5):
        assert heir.returncode == -9
