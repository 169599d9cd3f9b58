"""Exit codes of a worker's process."""

from enum import IntEnum
from typing import Final


class Exit(IntEnum):
    """Why a worker's process ended by itself."""

    IDLE = 0
    """Nothing to do for `WORKER_IDLE_EXIT_S`."""
    UNEXPECTED = 1
    SETTINGS = 2
    NO_DEVICE = 69
    DEVICE_LOST = 70
    HUNG = 71
    CRASHING = 72
    """The keeper's: one process after another ended, and nothing was settled."""
    TERMINATED = 143


FOR_GOOD: Final = frozenset({Exit.IDLE, Exit.SETTINGS, Exit.NO_DEVICE, Exit.TERMINATED})
"""After these no other process takes over: the worker is done, or the next one could do no better."""
