"""Container groups in Azure, and in its emulator: the same client, another address.

Azure's package is imported on the first call: the Function app starts without it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from dropscore.cloud.answers import container_state
from dropscore.cloud.credentials import token_credential
from dropscore.cloud.endpoints import is_plain_loopback
from dropscore.cloud.lazy import Lazy
from dropscore.cloud.ports import ContainerSpec, ContainerState
from dropscore.cloud.requests import CONTAINER_NAME, PRODUCT_TAG, container_group
from dropscore.cloud.translate import translated
from dropscore.cloud.transport import CountingTransport, core_retries
from dropscore.contracts.errors import NotFoundError
from dropscore.contracts.orchestration import ContainerPhase

if TYPE_CHECKING:
    from azure.mgmt.containerinstance import ContainerInstanceManagementClient

    from dropscore.cloud.connection import IdentitySettings
    from dropscore.cloud.settings import ContainerSettings


class AzureContainers:
    """A `ContainerRunner` over Azure's client. Safe to share between threads. Nothing here waits for a container."""

    def __init__(
        self,
        client: Lazy[ContainerInstanceManagementClient],
        settings: ContainerSettings,
        *,
        identity_id: str | None,
    ) -> None:
        self._client = client
        self._settings = settings
        self._identity_id = identity_id

    def start(self, spec: ContainerSpec) -> None:
        # Asking again for a group that has ended could run it a second time, so look first.
        if self.state(spec.name).phase is not ContainerPhase.MISSING:
            return
        body = container_group(
            spec,
            location=self._settings.location,
            identity_id=self._identity_id,
            subnet_id=self._settings.subnet_id,
        )
        with translated(f"start the container group {spec.name}"):
            # Bytes are sent as they are; the stream that the annotation asks for is not recognised.
            self._client().container_groups.begin_create_or_update(  # type: ignore[call-overload]
                self._settings.resource_group,
                spec.name,
                json.dumps(body).encode(),
                polling=False,
            )

    def state(self, name: str) -> ContainerState:
        try:
            with translated(f"look at the container group {name}"):
                group = self._client().container_groups.get(self._settings.resource_group, name, cls=_as_json)
        except NotFoundError:
            return ContainerState(name=name, phase=ContainerPhase.MISSING)
        return container_state(name, cast("Mapping[str, Any]", group))

    def logs(self, name: str) -> str:
        try:
            with translated(f"read the log of the container group {name}"):
                logs = self._client().containers.list_logs(self._settings.resource_group, name, CONTAINER_NAME)
        except NotFoundError:
            return ""
        return logs.content or ""

    def delete(self, name: str) -> None:
        try:
            with translated(f"delete the container group {name}"):
                self._client().container_groups.begin_delete(self._settings.resource_group, name, polling=False)
        except NotFoundError:
            return

    def names(self) -> tuple[str, ...]:
        with translated("list the container groups"):
            groups = list(self._client().container_groups.list_by_resource_group(self._settings.resource_group))
        return tuple(sorted(str(group.name) for group in groups if PRODUCT_TAG.items() <= (group.tags or {}).items()))


def connect_containers(
    settings: ContainerSettings, identity: IdentitySettings, *, identity_id: str | None
) -> AzureContainers:
    """Container groups of one resource group; `identity_id` is what the containers themselves may be."""
    return AzureContainers(Lazy(lambda: _client(settings, identity)), settings, identity_id=identity_id)


def _client(settings: ContainerSettings, identity: IdentitySettings) -> ContainerInstanceManagementClient:
    from azure.mgmt.containerinstance import ContainerInstanceManagementClient

    options: dict[str, Any] = {"transport": CountingTransport(settings.arm_url), **core_retries()}
    if is_plain_loopback(settings.arm_url):
        from dropscore.cloud.loopback import LoopbackCredential, LoopbackTokenPolicy

        credential: Any = LoopbackCredential()
        options["authentication_policy"] = LoopbackTokenPolicy(credential, f"{settings.arm_url}/.default")
    else:
        credential = token_credential(identity)
        options["credential_scopes"] = [f"{settings.arm_url}/.default"]
    return ContainerInstanceManagementClient(credential, settings.subscription_id, base_url=settings.arm_url, **options)


def _as_json(response: Any, _deserialized: Any, _headers: Any) -> Any:
    """Azure's hook for the raw answer: our functions read the service's own JSON."""
    return json.loads(response.http_response.text())
