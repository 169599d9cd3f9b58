"""Azurite as this product runs it: one process, two storage accounts, blobs and queues on disk, loopback only.

`running_azurite(folder)` is all that a test needs. The supervisor builds the same command with `azurite_command`.
What the launcher `azurite_npm/serve.cjs` adds to Azurite (events, witness of unsaved writes) stands in its head.
"""

import base64
import contextlib
import json
import os
import secrets
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dropscore.contracts.names import Account
from localcloud.locks import exclusive
from localcloud.node import AZURITE_NPM, azurite_modules, find_node, tools_folder

ACCOUNT_NAMES: Mapping[Account, str] = {Account.DATA: "dropscoredata", Account.SYSTEM: "dropscoresystem"}
HOST = "127.0.0.1"
LOCK = "lock"
"""In the data folder: held by the process that uses it."""
STOP_LIMIT_S = 15.0
"""How long Azurite may take to save everything and end."""


class AzuriteError(Exception):
    """The storage emulator did not start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AzuritePorts:
    """Loopback ports; 0 takes a free one."""

    blob: int = 0
    queue: int = 0
    events: int = 0


SAVE_EVERY_S = 1.0
"""How long an acknowledged write may stay in memory alone (longer when a save takes longer than a twentieth of it)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AzuriteLoss:
    """Writes that Azurite had acknowledged before an unclean end and that are gone.

    `undeleted` counts blobs and messages that were deleted and are back. `names` lists the first 20 lost blobs as
    `account/container/name`, `queues` the queues with lost messages as `account/queue`.
    """

    blobs: int
    messages: int
    undeleted: int
    names: tuple[str, ...]
    queues: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """What was lost, for people."""
        said = f"{self.blobs} blobs and {self.messages} messages that it had acknowledged are gone"
        if self.undeleted:
            said += f", {self.undeleted} deletions are undone"
        places = ", ".join((*self.names[:5], *self.queues))
        return f"{said} ({places})." if places else f"{said}."


@dataclass(frozen=True, slots=True, kw_only=True)
class AzuriteEndpoints:
    """A running Azurite: how to reach both accounts, and what an unclean end before made it lose, if anything."""

    data_connection: str = field(repr=False)
    system_connection: str = field(repr=False)
    events_url: str
    """Streams one JSON line for each blob written and each message sent."""
    ports: AzuritePorts
    folder: Path
    pid: int | None = None
    loss: AzuriteLoss | None = None

    @property
    def settings(self) -> dict[str, str]:
        """The application settings that name the two accounts."""
        return {"DataStorage": self.data_connection, "SystemStorage": self.system_connection}


@contextlib.contextmanager
def running_azurite(
    folder: Path, *, ports: AzuritePorts | None = None, tools: Path | None = None, save_every_s: float = SAVE_EVERY_S
) -> Iterator[AzuriteEndpoints]:
    """Run Azurite on `folder` (made if needed) until the block ends; it is stopped with SIGTERM and waited for.

    Waits for an earlier Azurite on the same folder that is still saving. The first call on a machine installs
    Azurite (see `node.azurite_modules`). Raises `AzuriteError`, `NodeError` or `LockedError`.
    """
    keys = account_keys(folder)
    command = azurite_command(folder, ports or AzuritePorts(), tools=tools, save_every_s=save_every_s)
    with exclusive(folder / LOCK) as lock:
        process = subprocess.Popen(
            command,
            env=azurite_environment(keys),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            pass_fds=(lock,),
        )
    with process:
        try:
            assert process.stdout is not None
            yield read_ready(process.stdout.readline(), folder=folder, pid=process.pid, keys=keys)
        finally:
            process.terminate()
            _wait_or_kill(process)


def azurite_command(
    folder: Path, ports: AzuritePorts, *, tools: Path | None = None, save_every_s: float = SAVE_EVERY_S
) -> list[str]:
    """The command line of the launcher; installs Azurite if it is not there yet."""
    node = find_node()
    options = {
        "modules": str(azurite_modules(node, tools or tools_folder())),
        "location": str(folder),
        "blobPort": ports.blob,
        "queuePort": ports.queue,
        "eventsPort": ports.events,
        "saveEveryMs": round(save_every_s * 1000),
    }
    return [str(node.node), str(AZURITE_NPM / "serve.cjs"), json.dumps(options)]


def azurite_environment(keys: Mapping[Account, str]) -> dict[str, str]:
    """The launcher's environment: ours and the accounts."""
    accounts = ";".join(f"{ACCOUNT_NAMES[account]}:{key}" for account, key in keys.items())
    return {**os.environ, "AZURITE_ACCOUNTS": accounts}


def account_keys(folder: Path) -> dict[Account, str]:
    """Keys of both accounts, made at random for each data folder and kept in it, readable by its owner alone."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "keys.json"
    if not path.exists():
        made = {account: base64.b64encode(secrets.token_bytes(64)).decode() for account in Account}
        fresh = path.with_suffix(f".{os.getpid()}")
        fresh.touch(mode=0o600)
        fresh.write_text(json.dumps(made))
        fresh.rename(path)
    kept = json.loads(path.read_text())
    return {account: kept[account] for account in Account}


def read_ready(line: str, *, folder: Path, pid: int, keys: Mapping[Account, str]) -> AzuriteEndpoints:
    """Read the line the launcher prints when ready. Raises `AzuriteError` when it ended without one."""
    if not line:
        raise AzuriteError(f"Azurite ended before it was ready; its own words stand above. Its data is in {folder}.")
    said: dict[str, Any] = json.loads(line)
    ports = AzuritePorts(blob=said["blobPort"], queue=said["queuePort"], events=said["eventsPort"])
    return replace(endpoints(folder, ports, keys), pid=pid, loss=loss_of(said))


def endpoints(folder: Path, ports: AzuritePorts, keys: Mapping[Account, str]) -> AzuriteEndpoints:
    """How an Azurite on these ports is reached."""
    return AzuriteEndpoints(
        data_connection=_connection(Account.DATA, keys, ports),
        system_connection=_connection(Account.SYSTEM, keys, ports),
        events_url=f"http://{HOST}:{ports.events}/events",
        ports=ports,
        folder=folder,
    )


def loss_of(ready: Mapping[str, Any]) -> AzuriteLoss | None:
    """What the launcher's `ready` line says about the loss of an unclean end before; None when nothing was lost."""
    said = ready["lost"]
    if said is None or not (said["blobs"] or said["messages"] or said["undeleted"]):
        return None
    return AzuriteLoss(
        blobs=said["blobs"],
        messages=said["messages"],
        undeleted=said["undeleted"],
        names=tuple(said["names"]),
        queues=tuple(said["queues"]),
    )


def _connection(account: Account, keys: Mapping[Account, str], ports: AzuritePorts) -> str:
    name = ACCOUNT_NAMES[account]
    return (
        f"DefaultEndpointsProtocol=http;AccountName={name};AccountKey={keys[account]};"
        f"BlobEndpoint=http://{HOST}:{ports.blob}/{name};QueueEndpoint=http://{HOST}:{ports.queue}/{name};"
    )


def _wait_or_kill(process: "subprocess.Popen[str]") -> None:
    try:
        process.wait(STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
