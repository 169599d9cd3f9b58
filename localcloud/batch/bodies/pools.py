"""Bodies about pools and nodes."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from localcloud.batch.autoscale.values import DeallocationOption
from localcloud.batch.bodies.base import (
    Body,
    CommandLine,
    Count,
    DisplayName,
    Duration,
    Identifier,
    NameValue,
    Opaque,
    RetryCount,
)
from localcloud.batch.bodies.tasks import ContainerSettings, ResourceFile

MAX_NODES_REMOVED = 100


class FillType(StrEnum):
    """How tasks are spread over nodes."""

    SPREAD = "spread"
    PACK = "pack"


class StartTask(Body):
    """The program that a node runs when it joins the pool."""

    command_line: CommandLine
    container_settings: ContainerSettings | None = None
    resource_files: tuple[ResourceFile, ...] | None = None
    environment_settings: tuple[NameValue, ...] | None = None
    user_identity: Opaque | None = None
    max_task_retry_count: RetryCount | None = None
    wait_for_success: bool | None = None


class SchedulingPolicy(Body):
    """How tasks are given to nodes."""

    node_fill_type: FillType
    job_default_order: str | None = None


class PoolBody(Body):
    """A pool as it is created, but for what the emulator keeps apart: targets and autoscale."""

    id: Identifier
    vm_size: str
    display_name: DisplayName | None = None
    virtual_machine_configuration: Opaque | None = None
    resize_timeout: Duration | None = None
    target_dedicated_nodes: Count | None = None
    target_low_priority_nodes: Count | None = None
    enable_auto_scale: bool | None = None
    auto_scale_formula: str | None = None
    auto_scale_evaluation_interval: Duration | None = None
    enable_inter_node_communication: bool | None = None
    network_configuration: Opaque | None = None
    start_task: StartTask | None = None
    application_package_references: tuple[Opaque, ...] | None = None
    task_slots_per_node: Annotated[int, Field(ge=1, le=256)] | None = None
    task_scheduling_policy: SchedulingPolicy | None = None
    user_accounts: tuple[Opaque, ...] | None = None
    metadata: tuple[NameValue, ...] | None = None
    mount_configuration: tuple[Opaque, ...] | None = None
    upgrade_policy: Opaque | None = None


class PoolPatch(Body):
    """Members of a pool that PATCH may change; the merged pool is checked again as a whole."""

    display_name: Any = None
    vm_size: Any = None
    enable_inter_node_communication: Any = None
    start_task: Any = None
    application_package_references: Any = None
    metadata: Any = None
    virtual_machine_configuration: Any = None
    task_slots_per_node: Any = None
    task_scheduling_policy: Any = None
    network_configuration: Any = None
    user_accounts: Any = None
    mount_configuration: Any = None
    upgrade_policy: Any = None


class PoolReplacement(Body):
    """Body of `updateproperties`: these three are replaced, the start task is removed when absent."""

    application_package_references: tuple[Opaque, ...]
    metadata: tuple[NameValue, ...]
    start_task: StartTask | None = None


class Resize(Body):
    """Body of `resize`."""

    target_dedicated_nodes: Count | None = None
    target_low_priority_nodes: Count | None = None
    resize_timeout: Duration | None = None
    node_deallocation_option: DeallocationOption | None = None


class EnableAutoScale(Body):
    """Body of `enableautoscale`: at least one of the two."""

    auto_scale_formula: str | None = None
    auto_scale_evaluation_interval: Duration | None = None


class EvaluateAutoScale(Body):
    """Body of `evaluateautoscale`."""

    auto_scale_formula: str


class RemoveNodes(Body):
    """Body of `removenodes`."""

    node_list: Annotated[tuple[str, ...], Field(min_length=1, max_length=MAX_NODES_REMOVED)]
    resize_timeout: Duration | None = None
    node_deallocation_option: DeallocationOption | None = None


class Reboot(Body):
    """Body of `reboot`, which may be absent."""

    node_reboot_option: DeallocationOption | None = None


class Reimage(Body):
    """Body of `reimage`, which may be absent."""

    node_reimage_option: DeallocationOption | None = None


class Deallocate(Body):
    """Body of `deallocate`, which may be absent."""

    node_deallocate_option: DeallocationOption | None = None


class DisableScheduling(Body):
    """Body of `disablescheduling`, which may be absent."""

    node_disable_scheduling_option: DeallocationOption | None = None


class UploadLogs(Body):
    """Body of `uploadbatchservicelogs`."""

    container_url: str
    start_time: str
    end_time: str | None = None
    identity_reference: Opaque | None = None
