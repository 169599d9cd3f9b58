"""Keeps one service alive: starts it, says so when it ends, and starts it again."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from localcloud.process import Process, Say, Service, StartError, start

BACKOFF_S = (0.2, 0.5, 1.0, 2.0, 5.0)
"""How long to wait before the next start; counted from the first again once a process has lived for `HEALTHY_S`."""
HEALTHY_S = 30.0


class Keeping:
    """One service and its present process.

    `on_ready` is called with what the process said, each time it is ready. `first` is done after the first time; when
    the service ends before that, it holds the `StartError`, and the service is not started again.
    """

    def __init__(
        self,
        service: Service,
        *,
        say: Say,
        inherit: tuple[int, ...],
        on_ready: Callable[["Keeping", dict[str, Any]], Awaitable[None]],
    ) -> None:
        self.service = service
        self.process: Process | None = None
        self.restarts = 0
        self.first: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._say = say
        self._inherit = inherit
        self._on_ready = on_ready
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop the process and do not start it again."""
        self._task.cancel()
        await asyncio.wait({self._task})
        if self.first.done() and not self.first.cancelled():
            self.first.exception()  # looked at, so that asyncio does not complain about one nobody waited for

    async def _run(self) -> None:
        try:
            await self._keep()
        except StartError as error:
            if self.first.done():
                raise
            self.first.set_exception(error)
        finally:
            if self.process is not None and not await self.process.stop():
                self._say(
                    "cloud", f"{self.service.name} did not end in {self.service.stop_limit_s:.0f} s and was killed."
                )

    async def _keep(self) -> None:
        failures = 0
        while True:
            began = time.monotonic()
            reason = await self._run_once()
            failures = 0 if time.monotonic() - began > HEALTHY_S else failures
            await self._end_present()
            pause_s = BACKOFF_S[min(failures, len(BACKOFF_S) - 1)]
            self._say("cloud", f"{self.service.name} {reason}; it is started again in {pause_s:g} s.")
            await asyncio.sleep(pause_s)
            failures += 1
            self.restarts += 1

    async def _end_present(self) -> None:
        """End the process, if there is one that still lives."""
        process, self.process = self.process, None
        if process is not None and not await process.stop():
            self._say("cloud", f"{self.service.name} did not end in {self.service.stop_limit_s:.0f} s and was killed.")

    async def _run_once(self) -> str:
        """Run the service until it ends; says how it did."""
        try:
            self.process = await start(self.service, say=self._say, inherit=self._inherit)
            said = await self.process.ready()
        except StartError as error:
            if not self.first.done():
                raise
            return f"failed: {error}"
        await self._on_ready(self, said)
        if not self.first.done():
            self.first.set_result(None)
        code = await self.process.wait()
        return f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
