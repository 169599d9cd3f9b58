"""What a container needs from outside."""

from collections.abc import Callable
from dataclasses import dataclass

from dropscore.cloud.ports import BlobStore, Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Storage, time, and a way to say that a run has something new.

    `nudge` takes the run's id and a reason. Nothing depends on it: who waits for the run also looks by itself.
    """

    blobs: BlobStore
    clock: Clock
    nudge: Callable[[str, str], None]
