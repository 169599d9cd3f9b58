"""The in-memory twin of Container Instances: containers that a test ends by hand, or a function carries out."""

import threading
import traceback
from collections.abc import Callable

from dropscore.cloud.operations import Operations
from dropscore.cloud.ports import ContainerSpec, ContainerState
from dropscore.contracts.errors import NotFoundError
from dropscore.contracts.orchestration import ContainerPhase

type Carry = Callable[[ContainerSpec], int]
"""Does what a container would, and returns its exit code."""


class MemoryContainers:
    """A `ContainerRunner` in memory. Safe to share between threads.

    Without `carry`, a started group waits until `become` says what happens to it. With it, each group is
    carried out on a thread of its own; an exception counts as exit code 1 and its traceback as the log.
    """

    def __init__(self, carry: Carry | None = None, operations: Operations | None = None) -> None:
        self.operations = operations or Operations(remember=True)
        self.specs: dict[str, ContainerSpec] = {}
        """Every group ever asked for, by name; deleted ones too."""
        self._carry = carry
        self._lock = threading.Lock()
        self._states: dict[str, ContainerState] = {}
        self._logs: dict[str, str] = {}
        self._threads: list[threading.Thread] = []

    def start(self, spec: ContainerSpec) -> None:
        self.operations.note("container.start", spec.name)
        with self._lock:
            if spec.name in self._states:
                return
            self.specs[spec.name] = spec
            self._states[spec.name] = ContainerState(name=spec.name, phase=ContainerPhase.WAITING)
        if self._carry is not None:
            thread = threading.Thread(target=self._run, args=(spec, self._carry), name=spec.name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def state(self, name: str) -> ContainerState:
        self.operations.note("container.state", name)
        with self._lock:
            return self._states.get(name, ContainerState(name=name, phase=ContainerPhase.MISSING))

    def logs(self, name: str) -> str:
        self.operations.note("container.logs", name)
        with self._lock:
            return self._logs.get(name, "")

    def delete(self, name: str) -> None:
        self.operations.note("container.delete", name)
        with self._lock:
            self._states.pop(name, None)
            self._logs.pop(name, None)

    def names(self) -> tuple[str, ...]:
        self.operations.note("container.list", "")
        with self._lock:
            return tuple(sorted(self._states))

    def become(
        self, name: str, phase: ContainerPhase, *, exit_code: int | None = None, detail: str = "", log: str = ""
    ) -> None:
        """Say what has become of a group. Raises `NotFoundError` when there is none of this name."""
        if not self._become(name, phase, exit_code=exit_code, detail=detail, log=log):
            raise NotFoundError(f"container group {name} does not exist")

    def join(self, timeout_s: float = 30.0) -> None:
        """Wait until all groups that are carried out have ended."""
        for thread in self._threads:
            thread.join(timeout_s)

    def _run(self, spec: ContainerSpec, carry: Carry) -> None:
        self._become(spec.name, ContainerPhase.RUNNING)
        log = ""
        try:
            exit_code = carry(spec)
        except Exception:  # noqa: BLE001 - the wall of a container: whatever happens inside ends as an exit code
            exit_code, log = 1, traceback.format_exc()
        phase = ContainerPhase.SUCCEEDED if exit_code == 0 else ContainerPhase.FAILED
        self._become(spec.name, phase, exit_code=exit_code, detail=log.strip().rpartition("\n")[2], log=log)

    def _become(
        self, name: str, phase: ContainerPhase, *, exit_code: int | None = None, detail: str = "", log: str = ""
    ) -> bool:
        with self._lock:
            if name not in self._states:
                return False
            self._states[name] = ContainerState(name=name, phase=phase, exit_code=exit_code, detail=detail)
            self._logs[name] = self._logs.get(name, "") + log
            return True
