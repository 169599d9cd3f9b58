"""Room for outputs on the container's disk."""

import errno
from pathlib import Path

import pytest

from cpu_worker.space import room_for
from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code


@pytest.mark.fault(35)
def test_outputs_that_cannot_fit_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(FailedError) as caught, room_for(tmp_path, 2**60):
        (tmp_path / "output").touch()
    assert caught.value.failure.code is Code.DISK_FULL
    assert f"about {2**60} bytes" in caught.value.failure.message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.fault(35)
def test_a_disk_that_is_full_in_the_middle_is_told_and_other_errors_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(FailedError, match="was full while"), room_for(tmp_path, 1):
        raise OSError(errno.ENOSPC, "no space")
    with pytest.raises(PermissionError), room_for(tmp_path, 1):
        raise PermissionError(errno.EACCES, "not yours")
