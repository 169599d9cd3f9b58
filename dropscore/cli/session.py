"""What one call of the command works with, and the place where every error of it ends."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import typer

from dropscore.cli.client import Api, RefusedError
from dropscore.cli.exits import Exit, exit_of_failure
from dropscore.cli.given import with_given
from dropscore.cli.screen import Screen
from dropscore.cloud.client_settings import ClientSettings
from dropscore.cloud.clock import SystemClock
from dropscore.cloud.lazy import Lazy
from dropscore.cloud.ports import BlobStore
from dropscore.contracts.errors import (
    ContractError,
    DropscoreError,
    FailedError,
    SettingsError,
    TransientCloudError,
)
from dropscore.contracts.failures import Code, Failure, failure
from dropscore.contracts.names import Account
from dropscore.contracts.refusals import refusal_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Screen, API and storage of one call; what is not asked for is never connected."""

    screen: Screen
    api: Callable[[], Api]
    blobs: Callable[[Account], BlobStore]
    """The blobs of one account, for what the API does not do. Raises `SettingsError` where there are no settings."""
    data_account: Callable[[], str]
    """Name of the account that holds triggers, inputs and outputs."""
    pause: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic
    now: Callable[[], str] = SystemClock().now
    """UTC, ISO 8601."""


@contextmanager
def open_session(*, as_json: bool, debug: bool) -> Iterator[Session]:
    """The session of this process. Leaves with the exit code that fits what happened."""
    screen = Screen(as_json=as_json)
    with ending(screen, debug=debug):
        yield connected_session(screen)


def connected_session(screen: Screen) -> Session:
    """A session on the settings of this process: the environment, or what the local cloud wrote down."""
    settings = Lazy(lambda: ClientSettings.load(with_given(os.environ), local_folder() / "cloud.json"))
    return Session(
        screen=screen,
        api=Lazy(lambda: Api(settings().api_url, key=settings().key, token=settings().token)),
        blobs=lambda account: _blobs(settings(), account),
        data_account=lambda: settings().storage(Account.DATA).account,
    )


def local_folder() -> Path:
    """Where the local cloud keeps its data."""
    return Path(os.environ.get("DROPSCORE_LOCAL") or ".local")


@contextmanager
def ending(screen: Screen, *, debug: bool) -> Iterator[None]:
    """Turn what is raised into a message and an exit code; a stack trace is shown with `--debug` alone."""
    try:
        yield
    except KeyboardInterrupt:
        screen.say("Interrupted.")
        raise typer.Exit(Exit.DETACHED) from None
    except DropscoreError as error:
        if debug:
            raise
        _leave(screen, *failures_of(error))
    except BrokenPipeError:
        # Whoever read our output has left, as `head` does. Nothing more can be written, not even on leaving.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        raise typer.Exit(Exit.OK) from None


def failures_of(error: DropscoreError) -> tuple[Failure, ...]:
    """An error in the words a user reads: one failure, or all that an answer listed."""
    if isinstance(error, RefusedError):
        return error.failures
    if isinstance(error, SettingsError):
        return tuple(
            failure(Code.SETTINGS_INVALID, f"{variable} {problem}", action=f"Set {variable}, or run `dropscore up`.")
            for variable, problem in error.problems
        )
    return (_failure_of(error),)


def _failure_of(error: DropscoreError) -> Failure:
    if isinstance(error, FailedError):
        return error.failure
    if isinstance(error, TransientCloudError):
        return failure(Code.STORAGE_UNAVAILABLE, str(error))
    if (refused := refusal_of(error)) is not None:
        return refused.model_copy(update={"message": str(error), "detail": None})
    if isinstance(error, ContractError):
        return failure(Code.INTERNAL, f"What is stored cannot be read: {error}")
    return failure(Code.INTERNAL, str(error))


def _leave(screen: Screen, *failures: Failure) -> NoReturn:
    screen.fail(*failures)
    raise typer.Exit(exit_of_failure(failures[0])) from None


def _blobs(settings: ClientSettings, account: Account) -> BlobStore:
    storage = settings.storage(account)
    from dropscore.cloud.azure_blobs import connect_blobs

    return connect_blobs({account: storage})
