"""Chromium driven over its debugging pipe (the DevTools protocol), with nothing but the standard library."""

import base64
import fcntl
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)


class Tab:
    """One page. `events` are the notifications that came so far: requests, console messages, violations."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self.events: list[dict[str, Any]] = []
        self._to_browser = to_browser
        self._from_browser = from_browser
        self._ids = count(1)
        self._buffer = b""
        self._session: str | None = None
        target = self.command("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.command("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.command(f"{domain}.enable")

    def command(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command and wait for its answer."""
        number = next(self._ids)
        message: dict[str, Any] = {"id": number, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._to_browser, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == number:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result
            self.events.append(answer)

    def show(self, file: Path, *, width: int = 1200, height: int = 900, dark: bool = False) -> None:
        """Open a file and wait until it is loaded."""
        self.open(file.as_uri(), width=width, height=height, dark=dark)

    def open(self, url: str, *, width: int = 1200, height: int = 900, dark: bool = False) -> None:
        """Open an address and wait until it is loaded."""
        scheme = "dark" if dark else "light"
        self.command(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )
        self.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.events.clear()
        self.command("Page.navigate", url=url)
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self.events.append(self._receive())

    def ask(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page."""
        answer = self.command("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def until(self, expression: str, *, within_s: float = 30.0) -> float:
        """Ask again and again until an expression is true; returns the seconds it took."""
        began = time.monotonic()
        while not self.ask(f"Boolean({expression})"):
            assert time.monotonic() - began < within_s, f"not within {within_s} s: {expression}"
            time.sleep(0.02)
        return time.monotonic() - began

    def seen(self, method: str) -> list[dict[str, Any]]:
        """What came of one kind of event since the page was opened."""
        return [event["params"] for event in self.events if event.get("method") == method]

    def picture(self, file: Path) -> None:
        """Write the whole page as PNG, for people to look at."""
        data = self.command("Page.captureScreenshot", format="png", captureBeyondViewport=True)["data"]
        file.write_bytes(base64.b64decode(data))

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            piece = os.read(self._from_browser, 1 << 16)
            assert piece, "the browser has ended"
            self._buffer += piece
        text, self._buffer = self._buffer.split(b"\0", 1)
        message: dict[str, Any] = json.loads(text)
        return message


@contextmanager
def open_tab(binary: str, profile: Path) -> Iterator[Tab]:
    """A browser of our own with a fresh profile; it ends with the context."""
    commands, to_browser = _pipe()
    from_browser, answers = _pipe()
    browser = os.posix_spawn(
        binary,
        [binary, *FLAGS, f"--user-data-dir={profile}"],
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_DUP2, commands, 3),  # where the browser reads commands
            (os.POSIX_SPAWN_DUP2, answers, 4),  # where it writes answers
        ],
        setpgroup=0,
    )
    os.close(commands)
    os.close(answers)
    try:
        yield Tab(to_browser, from_browser)
    finally:
        os.close(to_browser)
        os.killpg(browser, signal.SIGKILL)
        os.waitpid(browser, 0)
        os.close(from_browser)


def _pipe() -> tuple[int, int]:
    """A pipe whose ends have numbers above those that the browser expects."""
    ends = os.pipe()
    high = tuple(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends)
    for end in ends:
        os.close(end)
    return high[0], high[1]
