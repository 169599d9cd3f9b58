"""The keeper: the small process that a worker's task starts, which starts the worker's processes and outlives them.

One process after the other is a *life* of the worker. It shares its will with the keeper; when it ends otherwise than
by itself, the keeper starts the next life, which first sees to what the dead one held (`heir`). What lives need is
imported once, by the keeper, so that those after the first start in a moment: torch before the first, what workloads
import after it. The keeper never touches a device and runs no thread.

If the keeper is killed, its child dies with it, and the next keeper on the node finds what they left (`wills`).
"""

import ctypes
import logging
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gpu_worker.exits import FOR_GOOD, Exit
from gpu_worker.lives import Cause, Dead, Death, Life, Live
from gpu_worker.records import Records
from gpu_worker.will import Will
from gpu_worker.wills import Wills

log = logging.getLogger(__name__)

STOP_SIGNALS: Final = frozenset({signal.SIGTERM, signal.SIGINT})
SIGNALS: Final = STOP_SIGNALS | {signal.SIGCHLD}
GRACE_S: Final = 8.0
"""Longest time that a worker which was told to go may take; it gives itself less (`worker.GRACE_S`)."""
LAST_WORDS_S: Final = 3.0
"""Longest time for seeing to a will when no worker follows."""
TICK_S: Final = 1.0
MEMORY_TICK_S: Final = 0.05
DEATHS: Final = 10
"""After so many lives in a row in which nothing was settled, the worker leaves."""
DEVICES: Final = 2
"""After so many that lost their device."""
PAUSE_MOST_S: Final = 5.0
_PR_SET_PDEATHSIG: Final = 1


@dataclass(slots=True, kw_only=True)
class _Child:
    pid: int
    life: Life
    began: float
    cause: Cause | None = None
    """Why the keeper killed it."""


@dataclass(slots=True)
class Keeper:
    """Starts lives until one leaves for good. `prepare`, told how many there were, imports what the next ones need: it
    is called before the first and the second. `wills` is where their wills lie.
    """

    live: Live
    prepare: Callable[[int], None]
    wills: Wills = field(default_factory=Wills)
    records: Records = field(default_factory=Records)
    _estate: list[Dead] = field(default_factory=list)
    _lives: int = 0
    _facts: Mapping[str, Any] = field(default_factory=dict)
    """What the last life that said anything said of itself."""
    _in_vain: list[Death] = field(default_factory=list)
    """Deaths since something was settled."""
    _leave_by: float | None = None
    """Monotonic time at which the worker must be gone, once it was told to go."""

    def run(self) -> int:
        """Keep a worker until it leaves. Returns its exit code."""
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        self._prepare()
        for will in self.wills.left():
            self._inherit(Dead(will=will, death=_abandoned()))
        child = self._begin()
        while (code := self._after(child, self._wait(child))) is None:
            child = self._begin()
        return code

    # --- one life

    def _begin(self, *, last: bool = False) -> _Child:
        self._lives += 1
        life = Life(
            number=self._lives,
            will=self.wills.new(),
            estate=tuple(self._estate),
            before=self._facts,
            records=self.records,
            last=last,
        )
        keeper = os.getpid()
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            os._exit(_run(self.live, life, keeper))
        return _Child(pid=pid, life=life, began=time.monotonic())

    def _wait(self, child: _Child) -> int:
        """Until the process has ended. Returns its exit code, 128 + n after signal n."""
        while True:
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            if pid:
                code = os.waitstatus_to_exitcode(status)
                return code if code >= 0 else 128 - code
            limit_bytes = int(child.life.will.facts.get("memory_limit_bytes") or 0)
            if next_signal(MEMORY_TICK_S if limit_bytes else TICK_S) in STOP_SIGNALS:
                self._stop(child)
            if limit_bytes and resident_bytes(child.pid) > limit_bytes:
                _kill(child, Cause.MEMORY)
            if self._leave_by is not None and time.monotonic() > self._leave_by:
                _kill(child, Cause.TOLD)

    def _stop(self, child: _Child) -> None:
        """Hand the wish to stop on; insist when it comes again."""
        if self._leave_by is None:
            self._leave_by = time.monotonic() + GRACE_S
            os.kill(child.pid, signal.SIGTERM)
        else:
            _kill(child, Cause.TOLD)

    # --- between lives

    def _after(self, child: _Child, code: int) -> int | None:
        """What a life's end means. Returns the exit code when no other follows."""
        if code in FOR_GOOD and child.cause is None:
            self._forget(child.life.will)
            return code
        self._facts = child.life.will.facts or self._facts
        death = _death(child, code)
        self._inherit(Dead(will=child.life.will, death=death))
        if self._leave_by is not None:
            return self._end(code)
        if child.life.will.settled:
            self._in_vain.clear()
        self._in_vain.append(death)
        self._tell(death)
        if self._hopeless():
            lives = len(self._in_vain)
            log.error("Leaves: nothing was settled in the last %d lives.", lives, extra={"action": "crashing"})
            return self._end(Exit.DEVICE_LOST if death.cause is Cause.DEVICE_LOST else Exit.CRASHING)
        self._prepare()
        self._pause()
        return None if self._leave_by is None else self._end(Exit.TERMINATED)

    def _inherit(self, dead: Dead) -> None:
        everything = (*self._estate, dead)
        self._estate = [one for one in everything if one.will.left()]
        for one in everything:
            if one not in self._estate:
                self.wills.forget(one.will)

    def _hopeless(self) -> bool:
        lost = sum(death.cause is Cause.DEVICE_LOST for death in self._in_vain)
        return len(self._in_vain) >= DEATHS or lost >= DEVICES

    def _prepare(self) -> None:
        if self._lives < 2:
            self.prepare(self._lives)
            if threads() > 1:
                log.warning("The keeper runs threads, which its next lives will lack.", extra={"action": "threads"})

    def _pause(self) -> None:
        """Wait before the next life: not after the first deaths, then longer with each, unless told to stop."""
        over = time.monotonic() + pause_s(len(self._in_vain))
        while self._leave_by is None:
            left = max(0.0, over - time.monotonic())
            if next_signal(left) in STOP_SIGNALS:
                self._leave_by = time.monotonic() + GRACE_S
            if not left:
                return

    def _end(self, code: int) -> int:
        """See to what is left, in a short life that does nothing else; then leave."""
        if self._estate:
            self._leave_by = time.monotonic() + LAST_WORDS_S
            last = self._begin(last=True)
            self._wait(last)
            self._forget(last.life.will)
        return code

    def _forget(self, last: Will) -> None:
        """No other life follows, so that nobody else is to find what was left."""
        for will in (last, *(one.will for one in self._estate)):
            self.wills.forget(will)

    def _tell(self, death: Death) -> None:
        self._set_up_log()
        log.error(
            "The worker's process ended (%s).",
            death.signal or f"{death.cause}, exit code {death.code}",
            extra={"action": "died", "cause": death.cause.value, "code": death.code, "lived_s": death.lived_s},
        )

    def _set_up_log(self) -> None:
        """JSON lines on stderr, as the worker's own; the lives have theirs."""
        if not log.handlers:
            from dropscore.cloud.json_log import JsonLines

            handler = logging.StreamHandler()
            handler.setFormatter(JsonLines(worker=str(self._facts.get("worker", {}).get("worker", ""))))
            log.addHandler(handler)
            log.propagate = False


def pause_s(deaths: int) -> float:
    """Seconds to wait before the next life, after so many in a row in which nothing was settled."""
    return 0.0 if deaths < 4 else min(PAUSE_MOST_S, 0.1 * 2 ** (deaths - 4))


def next_signal(within_s: float) -> int | None:
    """Wait for one of `SIGNALS`, which are blocked."""
    if not hasattr(signal, "sigtimedwait"):
        return signal.sigwait(SIGNALS)
    found = signal.sigtimedwait(SIGNALS, within_s)
    return None if found is None else found.si_signo


def resident_bytes(pid: int) -> int:
    """Memory of a process that is in RAM; 0 when it is gone, or where Linux does not tell."""
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:  # noqa: PTH123 - pathlib takes longer to import than all of this
            return int(file.read().split()[1]) * resource.getpagesize()
    except (OSError, IndexError):
        return 0


def threads() -> int:
    """Threads of this process, also those that Python does not know; 1 where Linux does not tell."""
    try:
        return len(os.listdir("/proc/self/task"))  # noqa: PTH208 - as above
    except OSError:
        return 1


def _kill(child: _Child, cause: Cause) -> None:
    child.cause = child.cause or cause
    os.kill(child.pid, signal.SIGKILL)


def _death(child: _Child, code: int) -> Death:
    from dropscore.cloud.clock import SystemClock

    causes = {Exit.HUNG: Cause.HUNG, Exit.DEVICE_LOST: Cause.DEVICE_LOST}
    cause = child.cause or causes.get(code) or (Cause.SIGNAL if code > 128 else Cause.EXIT)  # type: ignore[call-overload]
    return Death(cause=cause, code=code, at=SystemClock().now(), lived_s=round(time.monotonic() - child.began, 3))


def _abandoned() -> Death:
    """How a process ended whose keeper is gone as well."""
    from dropscore.cloud.clock import SystemClock

    return Death(cause=Cause.ABANDONED, code=128 + signal.SIGKILL, at=SystemClock().now(), lived_s=0.0)


def _run(live: Live, life: Life, keeper: int) -> int:
    """In the child: never returns to the keeper's code."""
    code: int = Exit.UNEXPECTED
    try:
        _die_with(keeper)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        code = live(life)
    except BaseException:  # noqa: BLE001 - there is nobody above
        sys.excepthook(*sys.exc_info())
    logging.shutdown()
    return code


def _die_with(keeper: int) -> None:
    """Have the kernel kill this process when the keeper dies."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != keeper:  # it died before the line above
            os._exit(Exit.UNEXPECTED)
