"""What the activities are given."""

from dataclasses import dataclass, field

from dropscore.cloud.courier import Courier
from dropscore.cloud.https_courier import HttpsCourier
from dropscore.cloud.ports import Cloud, ContainerRunner, WorkerPool
from dropscore.cloud.settings import TaskEnvironment


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The cloud as the activities see it.

    `container_image` and `container_environment` are what a planning or stitching container runs with.
    """

    cloud: Cloud
    containers: ContainerRunner
    pool: WorkerPool
    container_image: str
    container_environment: TaskEnvironment
    courier: Courier = field(default_factory=HttpsCourier)
    warm_s: float | None = None
    """Seconds after which no worker should be there without work: its own patience, and some more. None: they may
    stay.
    """
