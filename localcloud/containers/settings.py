"""What the Container Instances emulator is told when it starts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of the emulator."""

    state: Path
    grace_s: float = 5.0
    """Between SIGTERM and SIGKILL."""
    page_size: int = 100
    """Groups on one page of a list."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """What containers see besides their own variables."""
