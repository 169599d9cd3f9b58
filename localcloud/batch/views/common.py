"""What views share: addresses, absent members, secrets."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from localcloud.batch.state.task import TaskFailure
from localcloud.emulation.clock import instant

_SECRETS = frozenset({"password", "accountKey", "sasKey", "sshPrivateKey", "protectedSettings"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """URLs of resources below the emulator's own."""

    base: str

    def pool(self, pool_id: str) -> str:
        return f"{self.base}/pools/{pool_id}"

    def node(self, pool_id: str, node_id: str) -> str:
        return f"{self.base}/pools/{pool_id}/nodes/{node_id}"

    def job(self, job_id: str) -> str:
        return f"{self.base}/jobs/{job_id}"

    def task(self, job_id: str, task_id: str) -> str:
        return f"{self.base}/jobs/{job_id}/tasks/{task_id}"

    def file(self, owner: str, path: str) -> str:
        """A file below the URL of a task or node."""
        return f"{owner}/files/{quote(path, safe='')}"


def given(members: Mapping[str, Any]) -> dict[str, Any]:
    """The members that have a value."""
    return {name: value for name, value in members.items() if value is not None}


def moment(at: datetime | None) -> str | None:
    """A time on the wire, or None."""
    return None if at is None else instant(at)


def without_secrets(value: Any) -> Any:
    """A JSON value without the members that Azure takes and never gives back."""
    if isinstance(value, dict):
        return {name: without_secrets(item) for name, item in value.items() if name not in _SECRETS}
    if isinstance(value, list):
        return [without_secrets(item) for item in value]
    return value


def failure_view(failure: TaskFailure | None) -> dict[str, Any] | None:
    """`failureInfo`."""
    if failure is None:
        return None
    details = [{"name": name, "value": value} for name, value in failure.details]
    shown = {"category": failure.category.value, "code": failure.code, "message": failure.message}
    return shown | ({"details": details} if details else {})
