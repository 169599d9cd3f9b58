"""The keeper: a small process that starts programs for an emulator, waits for them, and ends them with it.

The emulator runs this file with its own interpreter and a socket as standard input (see `children`). It may be
killed with SIGKILL at any moment, and no program it started may live on. So the programs are the keeper's children,
and the keeper holds three ropes:

1. The socket. When the emulator is gone, however it went, the socket closes: every process group is killed, and then
   every process whose environment carries the emulator's mark, so that one which left its group goes too.
2. The kernel. On Linux each child is killed when the keeper itself dies (`PR_SET_PDEATHSIG`). That signal belongs to
   the thread that made the child; the keeper has one thread.
3. The mark again. A keeper that starts first kills what carries its mark: leftovers of an emulator and a keeper that
   were killed in the same instant.

Messages are JSON, one on each line. In: `{"op": "start", "id", "argv", "env", "folder", "stdout", "stderr", "log"}`
and `{"op": "signal", "id", "signal"}`. Out: `{"id", "pid"}` or `{"id", "error", "missing"}`, later `{"id", "exit"}`.
With `log`, both streams go to that one file, each line behind the time it was read, as container logs need it.
Only the standard library's quick modules are imported: the keeper starts with every emulator.
"""

import contextlib
import ctypes
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable

MARK = "LOCALCLOUD_OWNER"
"""Environment variable that every process of an emulator carries; its value is the emulator's state folder."""
LOG_LIMIT = 4 * 1024 * 1024
"""Bytes of a container's log that are kept, as Azure keeps them; the oldest go first."""
_PR_SET_PDEATHSIG = 1


class Log:
    """Writes what a pipe delivers to a file, each line behind its time."""

    def __init__(self, source: int, path: str) -> None:
        self._source = source
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._path = path
        self._rest = b""
        os.set_blocking(source, False)

    def fileno(self) -> int:
        return self._source

    def pump(self) -> bool:
        """Write the lines that are there; False when nobody can write to the pipe any more."""
        while True:
            try:
                data = os.read(self._source, 65_536)
            except BlockingIOError:
                return True
            if not data:
                return False
            *lines, self._rest = (self._rest + data).split(b"\n")
            self._write(lines)

    def close(self) -> None:
        """Write what is left, also an unfinished line."""
        self.pump()
        if self._rest:
            self._write([self._rest])
        os.close(self._source)
        os.close(self._file)

    def _write(self, lines: list[bytes]) -> None:
        now = time.time_ns()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now // 10**9)) + f".{now % 10**9:09d}Z "
        os.write(self._file, b"".join(stamp.encode() + line + b"\n" for line in lines))
        if os.fstat(self._file).st_size > 2 * LOG_LIMIT:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        with open(self._path, "r+b") as file:  # noqa: PTH123 - pathlib would double the keeper's start-up time
            file.seek(-LOG_LIMIT, os.SEEK_END)
            newest = file.read().partition(b"\n")[2]
            file.seek(0)
            file.write(newest)
            file.truncate()


class Keeper:
    """The loop between the emulator's socket and the children."""

    def __init__(self, link: socket.socket, owner: str) -> None:
        self._link = link
        self._owner = owner
        self._children: dict[int, subprocess.Popen[bytes]] = {}
        self._logs: dict[int, Log] = {}
        self._selector = selectors.DefaultSelector()
        self._received = b""

    def run(self) -> None:
        """Serve until the emulator's end of the socket closes; then kill everything."""
        wakeup, wake = os.pipe()
        for end in (wakeup, wake):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _ignore)
        self._selector.register(wakeup, selectors.EVENT_READ, "child")
        self._selector.register(self._link, selectors.EVENT_READ, "link")
        with contextlib.suppress(ConnectionError):
            while self._turn(wakeup):
                pass
        self._kill_all()

    def _turn(self, wakeup: int) -> bool:
        for key, _ in self._selector.select():
            if key.data == "link" and not self._receive():
                return False
            if key.data == "child":
                with contextlib.suppress(BlockingIOError):
                    os.read(wakeup, 4096)
            elif isinstance(key.data, Log) and not key.data.pump():
                self._selector.unregister(key.data)
        self._reap()
        return True

    def _receive(self) -> bool:
        data = self._link.recv(65_536)
        *lines, self._received = (self._received + data).split(b"\n")
        for line in lines:
            message = json.loads(line)
            if message["op"] == "start":
                self._start(message)
            elif child := self._children.get(message["id"]):
                signal_group(child.pid, message["signal"])
        return bool(data)

    def _start(self, message: dict[str, object]) -> None:
        number = message["id"]
        assert isinstance(number, int)
        try:
            child = self._spawn(number, message)
        except OSError as error:
            missing = isinstance(error, FileNotFoundError) and error.filename != message["folder"]
            self._send({"id": number, "error": str(error), "missing": missing})
            return
        except ValueError as error:  # a NUL in an argument or variable
            self._send({"id": number, "error": str(error), "missing": False})
            return
        self._children[number] = child
        self._send({"id": number, "pid": child.pid})

    def _spawn(self, number: int, message: dict[str, object]) -> subprocess.Popen[bytes]:
        with contextlib.ExitStack() as stack:
            if isinstance(path := message["log"], str):
                source, sink = os.pipe()
                stack.callback(os.close, sink)
                log = Log(source, path)
                stdout = stderr = sink
            else:
                log = None
                stdout, stderr = (_open_output(stack, str(message[name])) for name in ("stdout", "stderr"))
            try:
                child = subprocess.Popen(
                    message["argv"],  # type: ignore[call-overload]
                    env=message["env"],
                    cwd=message["folder"],
                    stdin=subprocess.DEVNULL,
                    stdout=stdout,
                    stderr=stderr,
                    start_new_session=True,
                    preexec_fn=_die_with_keeper(os.getpid()),  # noqa: PLW1509 - the keeper has one thread
                )
            except BaseException:
                if log:
                    log.close()
                raise
        if log:
            self._logs[number] = log
            self._selector.register(log, selectors.EVENT_READ, log)
        return child  # type: ignore[no-any-return]

    def _reap(self) -> None:
        for number, child in list(self._children.items()):
            if not _has_ended(child.pid):
                continue
            signal_group(child.pid, signal.SIGKILL)  # what the program left running in its group; it is not reaped yet
            code = child.wait()
            del self._children[number]
            self._close_log(number)
            self._send({"id": number, "exit": code if code >= 0 else 128 - code})

    def _close_log(self, number: int) -> None:
        if log := self._logs.pop(number, None):
            with contextlib.suppress(KeyError):
                self._selector.unregister(log)
            log.close()

    def _send(self, message: dict[str, object]) -> None:
        self._link.sendall(json.dumps(message).encode() + b"\n")

    def _kill_all(self) -> None:
        for child in self._children.values():
            signal_group(child.pid, signal.SIGKILL)
        for child in self._children.values():
            child.wait()
        for number in list(self._logs):
            self._close_log(number)
        kill_marked(self._owner)


def _open_output(stack: contextlib.ExitStack, path: str) -> int:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    stack.callback(os.close, file)
    return file


def _has_ended(pid: int) -> bool:
    ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    return ended is not None


def signal_group(pid: int, number: int) -> None:
    """Send a signal to every process of a group, if there is one left."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _die_with_keeper(keeper: int) -> Callable[[], None] | None:
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl

    def before_exec() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != keeper:  # it died before the line above
            os._exit(1)

    return before_exec


def kill_marked(owner: str) -> None:
    """Kill every process that carries the emulator's mark, until a look around finds none (Linux only)."""
    for _ in range(100):
        found = _marked(f"{MARK}={owner}".encode())
        if not found:
            return
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.002)


def _marked(mark: bytes) -> list[int]:
    found = []
    for name in os.listdir("/proc") if sys.platform == "linux" else ():  # noqa: PTH208 - see Log._drop_oldest
        with contextlib.suppress(OSError):
            if name.isdigit() and int(name) != os.getpid():
                with open(f"/proc/{name}/environ", "rb") as file:  # noqa: PTH123 - see Log._drop_oldest
                    if mark in file.read().split(b"\0"):
                        found.append(int(name))
    return found


def _ignore(*_: object) -> None:
    """Handle a signal by waking up, and nothing else."""


def main() -> None:
    """Be the keeper of the emulator whose state folder is the only argument."""
    owner = sys.argv[1]
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _ignore)  # the emulator decides; and SIG_IGN would pass to the children
    kill_marked(owner)
    Keeper(socket.socket(fileno=0), owner).run()


if __name__ == "__main__":
    main()
