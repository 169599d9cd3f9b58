"""Exit codes, the same for every command."""

from enum import IntEnum
from typing import Final

from dropscore.contracts.failures import Code, Failure, FailureClass
from dropscore.contracts.run import RunStatus


class Exit(IntEnum):
    """What the exit code of `dropscore` means."""

    OK = 0
    USAGE = 2
    INVALID = 3
    FAILED = 4
    GAPS = 5
    ENVIRONMENT = 6
    DETACHED = 130


ENVIRONMENT_CODES: Final = frozenset(
    {
        Code.API_UNREACHABLE,
        Code.AUTH_REQUIRED,
        Code.AUTH_INVALID,
        Code.AUTH_FORBIDDEN,
        Code.SETTINGS_INVALID,
        Code.STORAGE_UNAVAILABLE,
        Code.STORAGE_REFUSED,
        Code.STORAGE_GONE,
        Code.EMULATOR_LOSS,
        Code.WORKERS_UNAVAILABLE,
    }
)
"""Failures of what surrounds the product: nothing is wrong with the request."""


def exit_of_failure(failure: Failure) -> Exit:
    """The exit code of a command that failed."""
    if failure.code in ENVIRONMENT_CODES:
        return Exit.ENVIRONMENT
    if failure.failure_class is FailureClass.BAD_INPUT:
        return Exit.INVALID
    return Exit.FAILED


def exit_of_run(status: RunStatus) -> Exit:
    """The exit code of a command that waited for a run's end."""
    endings = {
        RunStatus.SUCCEEDED: Exit.OK,
        RunStatus.SUCCEEDED_WITH_GAPS: Exit.GAPS,
        RunStatus.REJECTED: Exit.INVALID,
    }
    return endings.get(status, Exit.FAILED)
