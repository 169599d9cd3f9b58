"""What the activities are given."""

from dataclasses import dataclass

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
