"""What the host is told: application settings and `host.json`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any


class ConfigError(Exception):
    """A setting or a binding cannot be used; the message names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueOptions:
    """`extensions.queues` of host.json."""

    batch_size: int = 16
    new_batch_threshold: int = 8
    max_dequeue_count: int = 5
    visibility_timeout_s: float = 0.0
    """How long a message rests after a failure."""
    base64: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class HostJson:
    """The part of host.json that this host observes."""

    route_prefix: str = "api"
    queues: QueueOptions = QueueOptions()
    poison_blob_threshold: int = 5
    max_degree_of_parallelism: int = 8
    """Blobs handled at once by one function."""


def read_host_json(path: Path) -> HostJson:
    """Read host.json; what it leaves out has the defaults of the real host. Raises `ConfigError`."""
    try:
        said = json.loads(path.read_text()) if path.exists() else {}
        extensions = said.get("extensions", {})
        return HostJson(
            route_prefix=extensions.get("http", {}).get("routePrefix", "api"),
            queues=_queue_options(extensions.get("queues", {})),
            poison_blob_threshold=extensions.get("blobs", {}).get("poisonBlobThreshold", 5),
            max_degree_of_parallelism=extensions.get("blobs", {}).get("maxDegreeOfParallelism", 8),
        )
    except (ValueError, AttributeError, TypeError) as error:
        raise ConfigError(f"{path} cannot be used: {error}") from error


def _queue_options(said: Mapping[str, Any]) -> QueueOptions:
    batch_size = said.get("batchSize", 16)
    if not 1 <= batch_size <= 32:
        raise ValueError(f"extensions.queues.batchSize must be 1 to 32, not {batch_size}")
    return QueueOptions(
        batch_size=batch_size,
        new_batch_threshold=said.get("newBatchThreshold", batch_size // 2),
        max_dequeue_count=said.get("maxDequeueCount", 5),
        visibility_timeout_s=time_span_s(said.get("visibilityTimeout", "00:00:00")),
        base64=said.get("messageEncoding", "base64").lower() == "base64",
    )


def time_span_s(text: str) -> float:
    """Seconds of a .NET time span such as `00:00:30`, `00:00:00.25` or `1.02:00:00`. Raises `ValueError`."""
    try:
        rest, minutes, seconds = text.split(":")
        days, _, hours = rest.rpartition(".")
        parts = timedelta(days=int(days or 0), hours=int(hours), minutes=int(minutes), seconds=float(seconds))
    except ValueError:
        raise ValueError(f"{text!r} is not a time span such as 00:00:30") from None
    return parts.total_seconds()


def read_settings(path: Path) -> dict[str, str]:
    """Application settings from a JSON file: the members of `Values` (as in local.settings.json), or of the whole.

    Raises `ConfigError`.
    """
    try:
        said = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ConfigError(f"The settings file {path} cannot be read: {error}") from error
    values = said.get("Values", said) if isinstance(said, dict) else None
    if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
        raise ConfigError(f"The settings file {path} must hold an object of strings.")
    return values


def resolve(text: str, settings: Mapping[str, str]) -> str:
    """Replace each `%NAME%` by the setting NAME, as bindings allow. Raises `ConfigError`."""
    parts = text.split("%")
    if len(parts) % 2 == 0:
        return text
    for index in range(1, len(parts), 2):
        if parts[index] not in settings:
            raise ConfigError(f"The setting {parts[index]!r}, named in the binding {text!r}, is missing.")
        parts[index] = settings[parts[index]]
    return "".join(parts)
