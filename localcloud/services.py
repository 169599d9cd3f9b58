"""What the local cloud consists of: the command of each process, and the settings of the Function app."""

import base64
import json
import os
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from localcloud.azurite import (
    STOP_LIMIT_S,
    AzuriteEndpoints,
    AzuritePorts,
    account_keys,
    azurite_command,
    azurite_environment,
    endpoints,
)
from localcloud.home import HOST, Home, Ports, write_private
from localcloud.host.keys import KEYS_FILE, function_keys
from localcloud.process import Service
from localcloud.weather.environment import weather_environment

BATCH_ACCOUNT = "dropscorebatch"
POOL_ID = "local"
SUBSCRIPTION_ID = "00000000-0000-0000-0000-000000000000"
RESOURCE_GROUP = "local"
LOCATION = "local"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """One local cloud as it is about to run: folder, ports, accounts and the app's settings."""

    home: Home
    app: Path
    ports: Ports
    azurite: AzuriteEndpoints
    batch_key: str = field(repr=False)
    nodes: int = 1
    """Nodes of the pool: how many workers run at once."""
    overrides: Mapping[str, str] = field(default_factory=dict)
    """Settings of the app that the user set otherwise."""
    ask_keys: bool = False
    """Whether the host asks callers for a key."""

    @property
    def api_url(self) -> str:
        """The address of the Functions host."""
        return f"http://{HOST}:{self.ports.host}"

    @property
    def batch_url(self) -> str:
        """The address of the Batch account."""
        return f"http://{HOST}:{self.ports.batch}"

    @property
    def arm_url(self) -> str:
        """The address that stands for Azure Resource Manager."""
        return f"http://{HOST}:{self.ports.containers}"

    @property
    def settings(self) -> dict[str, str]:
        """The settings of the Function app."""
        return {
            **self.azurite.settings,
            "AzureWebJobsStorage": self.azurite.system_connection,
            "BatchAccountUrl": self.batch_url,
            "BatchAccountName": BATCH_ACCOUNT,
            "BatchAccountKey": self.batch_key,
            "BatchPoolId": POOL_ID,
            "ArmEndpoint": self.arm_url,
            "SubscriptionId": SUBSCRIPTION_ID,
            "ResourceGroup": RESOURCE_GROUP,
            "Location": LOCATION,
            "ContainerImage": "dropscore/cpu-worker:local",
            "SweepSchedule": "*/30 * * * * *",
            **self.overrides,
        }


def caller_settings(cloud: Cloud) -> dict[str, str]:
    """What the command line needs besides the app's own settings: a key, where the host asks for one."""
    if not cloud.ask_keys:
        return {}
    return {"DROPSCORE_KEY": function_keys(cloud.home.folder("host") / KEYS_FILE)["default"]}


def prepare(
    home: Home, app: Path, ports: Ports, *, nodes: int, overrides: Mapping[str, str], ask_keys: bool = False
) -> Cloud:
    """Make keys and settings of a cloud, or take those it has."""
    folder = home.folder("azurite")
    azurite_ports = AzuritePorts(blob=ports.blob, queue=ports.queue, events=ports.events)
    cloud = Cloud(
        home=home,
        app=app,
        ports=ports,
        azurite=endpoints(folder, azurite_ports, account_keys(folder)),
        batch_key=_batch_key(home),
        nodes=nodes,
        overrides=overrides,
        ask_keys=ask_keys,
    )
    write_private(home.settings_file, json.dumps({"Values": cloud.settings}, indent=2))
    return cloud


def _batch_key(home: Home) -> str:
    path = home.root / "batch-key"
    if not path.exists():
        write_private(path, base64.b64encode(secrets.token_bytes(64)).decode())
    return path.read_text()


def azurite_service(cloud: Cloud) -> Service:
    """Blob and queue storage. Installs Azurite on the first call on this machine."""
    folder = cloud.home.folder("azurite")
    return Service(
        name="azurite",
        command=tuple(azurite_command(folder, cloud.azurite.ports)),
        folder=cloud.app,
        environment=azurite_environment(account_keys(folder)),
        says_ready=True,
        stop_limit_s=STOP_LIMIT_S,
    )


def batch_service(cloud: Cloud) -> Service:
    """The emulator of Azure Batch."""
    account = ("--account", BATCH_ACCOUNT, "--key", cloud.batch_key)
    return _emulator(cloud, "batch", cloud.ports.batch, *account, "--nodes", str(cloud.nodes))


def containers_service(cloud: Cloud) -> Service:
    """The emulator of Azure Container Instances."""
    return _emulator(cloud, "containers", cloud.ports.containers)


def _emulator(cloud: Cloud, name: str, port: int, *arguments: str) -> Service:
    state = str(cloud.home.folder(name))
    return Service(
        name=name,
        command=_python("-m", f"localcloud.{name}", "--port", str(port), "--state", state, *arguments),
        folder=cloud.app,
        environment=_environment(cloud),
        health_port=port,
    )


def host_service(cloud: Cloud) -> Service:
    """The Functions host."""
    arguments = ("--app", str(cloud.app), "--settings", str(cloud.home.settings_file))
    state = ("--state", str(cloud.home.folder("host")), "--port", str(cloud.ports.host))
    keys = ("--enable-auth",) if cloud.ask_keys else ()
    return Service(
        name="host",
        command=_python("-m", "localcloud.host", *arguments, *state, *keys, "--events", cloud.azurite.events_url),
        folder=cloud.app,
        environment=_environment(cloud),
        says_ready=True,
    )


def provision_service(cloud: Cloud) -> Service:
    """A process that makes containers, queues and the pool, and ends."""
    return Service(
        name="provision",
        command=_python("-m", "localcloud.provision", str(cloud.home.settings_file), str(cloud.nodes)),
        folder=cloud.app,
        environment=_environment(cloud),
    )


def command_service(cloud: Cloud, command: tuple[str, ...]) -> Service:
    """A command to run once everything is up; `python` in it means ours, and `dropscore` finds this cloud, whatever
    address the user's shell knows.
    """
    program = sys.executable if command[0] in ("python", "python3") else command[0]
    environment = {**_environment(cloud), "DROPSCORE_LOCAL": str(cloud.home.root), "DROPSCORE_URL": ""}
    return Service(name="after", command=(program, *command[1:]), folder=cloud.app, environment=environment)


def _python(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, *arguments)


def _environment(cloud: Cloud) -> dict[str, str]:
    """Lets every Python process find the app's own packages, and this one, wherever it was started; behind them what
    the user's own PYTHONPATH names, such as a workload that is not installed.

    Bytecode is kept even where the user's shell says otherwise: without it every start costs a second more.
    """
    users = [folder for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep) if folder]
    folders = dict.fromkeys([str(cloud.app), str(Path(__file__).parents[1]), *users])
    python = {"PYTHONPATH": os.pathsep.join(folders), "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": ""}
    return python | weather_environment(os.environ, python["PYTHONPATH"], cloud.home.folder("weather"))
