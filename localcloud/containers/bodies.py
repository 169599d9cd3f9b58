"""Container groups as they are put: what the emulator understands, checked; what it only keeps, opaque."""

from enum import StrEnum
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic.alias_generators import to_camel

Opaque = dict[str, Any]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
"""Name of a group or container: lower-case letters, digits, hyphens inside; at most 63 characters."""
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Body(BaseModel):
    """A part of a container group. Members have camel case names on the wire; unknown ones are refused."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True,
        strict=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
    )

    def wire(self) -> dict[str, Any]:
        """The members that were given, as they go over the wire."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class RestartPolicy(StrEnum):
    """When a container that has ended is started again."""

    ALWAYS = "Always"
    ON_FAILURE = "OnFailure"
    NEVER = "Never"


class Variable(Body):
    """An environment variable; a secure value is never given back."""

    name: Annotated[str, StringConstraints(min_length=1)]
    value: str | None = None
    secure_value: str | None = None

    @model_validator(mode="after")
    def _one_value(self) -> "Variable":
        if self.value is not None and self.secure_value is not None:
            raise ValueError("a variable has a value or a secureValue, not both")
        return self


class ResourceRequests(Body):
    """What a container asks for; noted, not enforced."""

    cpu: Positive
    memory_in_gb: Annotated[Positive, Field(alias="memoryInGB")]
    gpu: Opaque | None = None


class Resources(Body):
    """What a container asks for and may take; noted, not enforced."""

    requests: ResourceRequests
    limits: Opaque | None = None


class VolumeMount(Body):
    """Where a container sees a volume."""

    name: str
    mount_path: Annotated[str, StringConstraints(pattern=r"^/[^:]*$")]
    read_only: bool | None = None

    @model_validator(mode="after")
    def _inside(self) -> "VolumeMount":
        if ".." in self.mount_path.split("/") or not self.mount_path.strip("/"):
            raise ValueError("mountPath must be an absolute path without '..'")
        return self


class ContainerProperties(Body):
    """A container."""

    image: Annotated[str, StringConstraints(min_length=1)]
    resources: Resources
    command: tuple[str, ...] | None = None
    ports: tuple[Opaque, ...] | None = None
    environment_variables: tuple[Variable, ...] | None = None
    volume_mounts: tuple[VolumeMount, ...] | None = None
    liveness_probe: Opaque | None = None
    readiness_probe: Opaque | None = None
    security_context: Opaque | None = None
    instance_view: Opaque | None = Field(default=None, exclude=True)
    """Read-only; clients that put back what they got send it along."""


class Container(Body):
    """A container with its name."""

    name: Name
    properties: ContainerProperties


class Volume(Body):
    """A volume; only the empty folder is emulated."""

    name: str
    azure_file: Opaque | None = None
    empty_dir: Opaque | None = None
    secret: Opaque | None = None
    git_repo: Opaque | None = None


class GroupProperties(Body):
    """What a group consists of."""

    containers: Annotated[tuple[Container, ...], Field(min_length=1, max_length=60)]
    os_type: str
    restart_policy: RestartPolicy | None = None
    image_registry_credentials: tuple[Opaque, ...] | None = None
    ip_address: Opaque | None = None
    volumes: tuple[Volume, ...] | None = None
    diagnostics: Opaque | None = None
    subnet_ids: tuple[Opaque, ...] | None = None
    dns_config: Opaque | None = None
    sku: str | None = None
    encryption_properties: Opaque | None = None
    init_containers: tuple[Opaque, ...] | None = None
    extensions: tuple[Opaque, ...] | None = None
    confidential_compute_properties: Opaque | None = None
    priority: str | None = None
    provisioning_state: str | None = Field(default=None, exclude=True)
    instance_view: Opaque | None = Field(default=None, exclude=True)

    @model_validator(mode="after")
    def _names(self) -> "GroupProperties":
        names = [container.name for container in self.containers]
        if len(set(names)) != len(names):
            raise ValueError("two containers have the same name")
        volumes = {volume.name for volume in self.volumes or ()}
        for container in self.containers:
            for mount in container.properties.volume_mounts or ():
                if mount.name not in volumes:
                    raise ValueError(f"container {container.name} mounts volume {mount.name!r}, which there is not")
        return self


class Identity(Body):
    """The identities that a group carries; here they are names only."""

    type: str | None = None
    user_assigned_identities: dict[str, Opaque] | None = None
    principal_id: str | None = Field(default=None, exclude=True)
    tenant_id: str | None = Field(default=None, exclude=True)


class GroupBody(Body):
    """A container group. The last three members are read-only; clients may send them back."""

    properties: GroupProperties
    location: str | None = None
    tags: dict[str, str] | None = None
    zones: tuple[str, ...] | None = None
    identity: Identity | None = None
    id: str | None = Field(default=None, exclude=True)
    name: str | None = Field(default=None, exclude=True)
    type: str | None = Field(default=None, exclude=True)


class GroupUpdate(Body):
    """Body of PATCH: a group's tags, and what else a resource has; only tags change."""

    tags: dict[str, str] | None = None
    location: str | None = None
    zones: tuple[str, ...] | None = None
    id: str | None = None
    name: str | None = None
    type: str | None = None
