"""Who is told what inside the engine."""

from collections.abc import Callable
from dataclasses import dataclass

from localcloud.batch.state.node import Node
from localcloud.batch.state.task import Task


def _nothing(*_: object) -> None:
    """The default listener."""


@dataclass(slots=True, kw_only=True)
class Signals:
    """Listeners, set once when the engine is put together."""

    wake: Callable[[], None] = _nothing
    """Something has changed: settle soon."""
    task_started: Callable[[Task], None] = _nothing
    task_completed: Callable[[Task], None] = _nothing
    node_ready: Callable[[Node], None] = _nothing
