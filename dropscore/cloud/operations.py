"""Which storage operations were asked for: counted by kind, for benchmarks and tests.

A kind is the service and what is done there: `blob.put`, `blob.get`, `blob.head`, `blob.list`, `blob.delete`,
`blob.copy`, `blob.put_block`, `blob.put_block_list`, `queue.put`, `queue.get`, `queue.update`, `queue.delete`,
`queue.depth`. The twins and the Azure adapters use the same words; the adapters count requests, so a retry
counts again.
"""

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation, and the blob or queue it was for (`runs/r1/state.json`, `shards-normal`)."""

    kind: str
    target: str


type Interrupt = Callable[[Operation], None]
"""Called before an operation is carried out; what it raises, the caller of the operation gets."""


class Operations:
    """Counts operations, and remembers each one if `remember`. Safe to share between threads.

    `interrupt` lets a test stand between the caller and a twin: to raise what a cloud might, or to change
    something at the worst moment.
    """

    def __init__(self, *, remember: bool = False, interrupt: Interrupt | None = None) -> None:
        self.interrupt = interrupt
        self._remember = remember
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._seen: list[Operation] = []

    def note(self, kind: str, target: str) -> None:
        """Count one operation."""
        operation = Operation(kind, target)
        with self._lock:
            self._counts[kind] += 1
            if self._remember:
                self._seen.append(operation)
        if self.interrupt is not None:
            self.interrupt(operation)

    def counts(self) -> dict[str, int]:
        """How many of each kind so far."""
        with self._lock:
            return dict(self._counts)

    def total(self) -> int:
        """How many operations so far."""
        with self._lock:
            return self._counts.total()

    def targets(self, kind: str) -> list[str]:
        """What the operations of one kind were for, in order. Empty unless they are remembered."""
        with self._lock:
            return [operation.target for operation in self._seen if operation.kind == kind]

    def clear(self) -> None:
        """Forget everything counted so far."""
        with self._lock:
            self._counts.clear()
            self._seen.clear()
