"""Settings of each process, read once from the environment and checked. No other module reads the environment.

AppSettings      the Function app
WorkerSettings   the GPU worker and the planning and stitching containers
ClientSettings   the command line (in `client_settings`)
"""

import os
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from dropscore.cloud.api_settings import ApiSettings
from dropscore.cloud.connection import IdentitySettings, StorageSettings, read_storage
from dropscore.cloud.environment import Environment
from dropscore.contracts.names import Account
from dropscore.contracts.request import PATIENCE_S

DATA, SYSTEM = "DataStorage", "SystemStorage"
DEVICE_PATTERN = r"auto|cpu|cuda(:\d{1,2})?"
_DEVICE_FIX = "Set it to 'auto', 'cpu', 'cuda' or 'cuda:N'."
SWEEP_SCHEDULE = "*/30 * * * * *"
_SIX_FIELDS = r"\S+( \S+){5}"
_SCHEDULE_FIX = f"Set it to six fields of NCRONTAB, such as '{SWEEP_SCHEDULE}'."
_IDLE_FIX = "Set it to a number of seconds from 0 to 86400."


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskEnvironment:
    """Environment variables for a process elsewhere."""

    plain: Mapping[str, str]
    secret: Mapping[str, str] = field(repr=False)
    """Values that must not be shown again, such as account keys; empty where identities are used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSettings:
    """The Batch account and the pool whose nodes run workers. Has an account key only for the emulator."""

    url: str
    account: str
    key: str | None = field(repr=False)
    pool_id: str
    job_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSettings:
    """Where container groups are made."""

    arm_url: str
    subscription_id: str
    resource_group: str
    location: str
    subnet_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AppSettings:
    """Settings of the Function app."""

    data: StorageSettings
    system: StorageSettings
    batch: BatchSettings
    containers: ContainerSettings
    container_image: str
    """Image of `cpu_worker`."""
    worker_image: str | None
    """Image of `gpu_worker`; None: workers run straight on the node."""
    identity_id: str | None
    """Resource id of the managed identity that containers get; None where there is none, as on one machine."""
    identity: IdentitySettings
    """Who the app itself is towards Batch and Resource Manager."""
    worker_idle_exit_s: float
    worker_device: str
    sweep_schedule: str
    """NCRONTAB of the sweep; the Functions host reads the same variable."""
    api: ApiSettings

    @classmethod
    def from_env(cls, variables: Mapping[str, str]) -> Self:
        """Read the settings. Raises `SettingsError` that names every variable that is missing or wrong."""
        environment = Environment(variables)
        client_id = environment.optional("ManagedIdentityClientId")
        settings = cls(
            data=read_storage(environment, DATA),
            system=read_storage(environment, SYSTEM),
            batch=_batch(environment),
            containers=_containers(environment),
            container_image=environment.text("ContainerImage", fix="Set it to the image of cpu_worker."),
            worker_image=environment.optional("WorkerImage"),
            identity_id=environment.optional("ManagedIdentityId"),
            identity=IdentitySettings(managed=client_id is not None, client_id=client_id),
            worker_idle_exit_s=environment.number("WorkerIdleExitSeconds", 300.0, least=0, most=86_400, fix=_IDLE_FIX),
            worker_device=environment.text("WorkerDevice", "auto", pattern=DEVICE_PATTERN, fix=_DEVICE_FIX),
            sweep_schedule=environment.text("SweepSchedule", SWEEP_SCHEDULE, pattern=_SIX_FIELDS, fix=_SCHEDULE_FIX),
            api=ApiSettings.read(environment),
        )
        environment.check()
        return settings

    @property
    def accounts(self) -> Mapping[Account, str]:
        """Name of each storage account."""
        return {Account.DATA: self.data.account, Account.SYSTEM: self.system.account}

    @property
    def warm_s(self) -> float:
        """Seconds after which a worker without work should have left by itself: its patience, and a fifth more."""
        return self.worker_idle_exit_s + max(10.0, self.worker_idle_exit_s / 5)

    def container_environment(self) -> TaskEnvironment:
        """What a planning or stitching container needs to reach storage."""
        data_plain, data_secret = self.data.variables(DATA)
        system_plain, system_secret = self.system.variables(SYSTEM)
        return TaskEnvironment(plain=data_plain | system_plain, secret=data_secret | system_secret)

    def worker_environment(self) -> TaskEnvironment:
        """What a GPU worker needs: storage, its device and its patience."""
        storage = self.container_environment()
        own = {"WORKER_DEVICE": self.worker_device, "WORKER_IDLE_EXIT_S": f"{self.worker_idle_exit_s:g}"}
        return TaskEnvironment(plain={**storage.plain, **own}, secret=storage.secret)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """Settings of `gpu_worker` and `cpu_worker`."""

    data: StorageSettings
    system: StorageSettings
    name: str
    """Unique among running workers; part of log names."""
    device: str
    lanes: int
    """Shards scored side by side; 0: as the device suggests."""
    idle_exit_s: float
    model_budget_bytes: int
    """Memory for loaded models; 0: as measured on the device."""
    memory_limit_mib: int
    """Memory in RAM at which the worker's process is ended; 0: no limit but the machine's."""
    storage_patience_s: float
    """How long a container waits for a storage that does not answer; the worker has loops of its own."""

    @classmethod
    def from_env(cls, variables: Mapping[str, str]) -> Self:
        """Read the settings. Raises `SettingsError` that names every variable that is missing or wrong."""
        environment = Environment(variables)
        settings = cls(
            data=read_storage(environment, DATA),
            system=read_storage(environment, SYSTEM),
            name=_worker_name(environment),
            device=environment.text("WORKER_DEVICE", "auto", pattern=DEVICE_PATTERN, fix=_DEVICE_FIX),
            lanes=environment.whole(
                "WORKER_LANES", 0, least=0, most=256, fix="Set it to a number from 1 to 256, or 0 to let it choose."
            ),
            idle_exit_s=environment.number("WORKER_IDLE_EXIT_S", 300.0, least=0, most=86_400, fix=_IDLE_FIX),
            model_budget_bytes=environment.whole(
                "WORKER_MODEL_BUDGET_BYTES", 0, least=0, most=2**50, fix="Set it to a number of bytes, or 0."
            ),
            memory_limit_mib=environment.whole(
                "WORKER_MEMORY_LIMIT_MIB", 0, least=0, most=2**30, fix="Set it to a number of MiB, or 0 for no limit."
            ),
            storage_patience_s=environment.number(
                "STORAGE_PATIENCE_S", PATIENCE_S, least=0, most=86_400, fix=_IDLE_FIX
            ),
        )
        environment.check()
        return settings

    @property
    def accounts(self) -> Mapping[Account, str]:
        """Name of each storage account."""
        return {Account.DATA: self.data.account, Account.SYSTEM: self.system.account}


def _batch(environment: Environment) -> BatchSettings:
    url = environment.endpoint("BatchAccountUrl", fix="Set it to https://<account>.<region>.batch.azure.com.")
    name_in_url = re.match(r"https://([a-z0-9]+)\.", url)
    pool_id = environment.text(
        "BatchPoolId", pattern=r"[A-Za-z0-9_-]{1,64}", fix="Set it to the id of the workers' pool."
    )
    key = environment.optional("BatchAccountKey")
    if key is None and url.startswith("http://"):
        environment.problem("BatchAccountKey", "is not set. The emulator needs the account's key.")
    return BatchSettings(
        url=url,
        account=environment.text(
            "BatchAccountName", name_in_url[1] if name_in_url else None, fix="Set it to the name of the Batch account."
        ),
        key=key,
        pool_id=pool_id,
        job_id=environment.text(
            "BatchJobId",
            f"dropscore-{pool_id}"[:64],
            pattern=r"[A-Za-z0-9_-]{1,64}",
            fix="Set it to 1 to 64 letters, digits, hyphens or underscores.",
        ),
    )


def _containers(environment: Environment) -> ContainerSettings:
    return ContainerSettings(
        arm_url=environment.endpoint(
            "ArmEndpoint", "https://management.azure.com", fix="Set it to the address of Resource Manager."
        ),
        subscription_id=environment.text("SubscriptionId", fix="Set it to the subscription's id."),
        resource_group=environment.text("ResourceGroup", fix="Set it to the group in which containers may be made."),
        location=environment.text("Location", fix="Set it to a region, such as westeurope."),
        subnet_id=environment.optional("SubnetId"),
    )


def _worker_name(environment: Environment) -> str:
    """`WORKER_NAME`, else Batch's node and task, else this machine and process; fit for a blob name."""
    node, task = environment.optional("AZ_BATCH_NODE_ID"), environment.optional("AZ_BATCH_TASK_ID")
    in_batch = f"{node}.{task}" if node and task else node or task
    name = environment.optional("WORKER_NAME") or in_batch or f"{platform.node()}-{os.getpid()}"
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-")[:120] or "worker"
