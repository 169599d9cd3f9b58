"""What the Batch emulator is told when it starts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of the emulator. `key` is base64; without it every request is let in, as it is on loopback only."""

    state: Path
    url: str = "http://127.0.0.1"
    """The emulator's own address, for the URLs of resources and the tasks' environment."""
    account: str = "localbatch"
    key: str | None = None
    nodes: int = 1
    """How many nodes all pools together may have."""
    slots: int = 1
    """How many slots a node has at most, whatever its pool says: this bounds what runs at once here."""
    autoscale_interval: timedelta = timedelta(seconds=1)
    """How often formulas are evaluated, whatever interval their pools state."""
    boot_s: float = 0.0
    """How long a new node takes to come up."""
    grace_s: float = 5.0
    """Between SIGTERM and SIGKILL."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """What tasks see besides Batch's own variables and theirs."""
