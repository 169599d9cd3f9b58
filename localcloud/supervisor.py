"""Starts every process of the local cloud, keeps them alive, and stops them in order.

One event loop and no threads: processes are tied to the life of this one (see `process`), and the kernel ties them
to the thread that made them.
"""

import asyncio
import json
import os
import signal
import time
from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime
from typing import Any

from localcloud.azurite import loss_of
from localcloud.home import write_private
from localcloud.keeping import Keeping
from localcloud.process import Say, Service, StartError, start
from localcloud.screen import opening_lines
from localcloud.services import (
    Cloud,
    azurite_service,
    batch_service,
    caller_settings,
    command_service,
    containers_service,
    host_service,
    provision_service,
)

EMULATOR_LOSS = "E-EMULATOR-LOSS"


class Supervisor:
    """Runs one cloud. `say` takes the name of a process (ours is `cloud`) and a line; every process keeps the
    descriptors in `inherit` open.
    """

    def __init__(self, cloud: Cloud, *, say: Say, inherit: tuple[int, ...] = ()) -> None:
        self._cloud = cloud
        self._say = say
        self._inherit = inherit
        self._kept: dict[str, Keeping] = {}
        self._up = False
        self._ready = False

    async def run(self, *, after_start: Sequence[tuple[str, ...]], begun: float) -> bool:
        """Run until SIGINT, SIGTERM or SIGHUP. Returns whether everything came up.

        `begun` is when the start began, in seconds of the monotonic clock.
        """
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        try:
            if await _unless(stop, self._start()):
                for command in after_start:
                    await _unless(stop, self._after_start(command))
                if not stop.is_set():
                    self._announce(time.monotonic() - begun)
                await stop.wait()
        except StartError as error:
            self._say("cloud", f"The local cloud did not start: {error}")
            return False
        else:
            return True
        finally:
            await self._stop()

    async def _start(self) -> None:
        cloud = self._cloud
        for service in (azurite_service(cloud), host_service(cloud), batch_service(cloud), containers_service(cloud)):
            keeping = Keeping(service, say=self._say, inherit=self._inherit, on_ready=self._on_ready)
            self._kept[service.name] = keeping
        await asyncio.gather(*(keeping.first for keeping in self._kept.values()), self._provision())
        self._up = True
        self._write_cloud_file()

    async def _on_ready(self, keeping: Keeping, said: dict[str, Any]) -> None:
        if keeping.service.name == "azurite":
            self._report_loss(said)
            if self._up:
                await self._provision_again()
        if self._up:
            self._say("cloud", f"{keeping.service.name} is up again.")
            self._write_cloud_file()

    def _report_loss(self, said: dict[str, Any]) -> None:
        """Say what Azurite lost in an unclean end, and write it down: it is never silent about it."""
        if (loss := loss_of(said)) is None:
            return
        self._say("cloud", f"{EMULATOR_LOSS}: Azurite was killed, and {loss.sentence}")
        record = {"at": datetime.now(UTC).isoformat(), "code": EMULATOR_LOSS, **said["lost"]}
        with self._cloud.home.log("losses").open("a") as file:
            file.write(json.dumps(record) + "\n")

    async def _provision(self) -> None:
        if await self._run_once(provision_service(self._cloud)) != 0:
            raise StartError("containers, queues and pool could not be made; the reason stands above.")

    async def _provision_again(self) -> None:
        """Make what a loss may have taken away."""
        try:
            await self._provision()
        except StartError as error:
            self._say("cloud", f"Something is missing: {error}")

    async def _after_start(self, command: tuple[str, ...]) -> None:
        try:
            code = await self._run_once(command_service(self._cloud, command))
        except StartError as error:
            self._say("cloud", str(error))
            return
        if code != 0:
            self._say("cloud", f"`{' '.join(command)}` ended with exit code {code}.")

    async def _run_once(self, service: Service) -> int:
        """Run a command to its end; it is ended early when this call is cancelled."""
        process = await start(service, say=self._say, inherit=self._inherit)
        try:
            return await process.wait()
        except asyncio.CancelledError:
            await process.stop()
            raise

    def _write_cloud_file(self) -> None:
        cloud = self._cloud
        processes = {name: keeping.process.pid for name, keeping in self._kept.items() if keeping.process}
        endpoints = {"api": cloud.api_url, "batch": cloud.batch_url, "arm": cloud.arm_url}
        written = {
            "api_url": cloud.api_url,
            "settings": cloud.settings | caller_settings(cloud),
            "endpoints": {**endpoints, "events": cloud.azurite.events_url},
            "pid": os.getpid(),
            "ready": self._ready,
            "processes": processes,
        }
        write_private(cloud.home.cloud_file, json.dumps(written, indent=2))

    def _announce(self, took_s: float) -> None:
        host = self._kept["host"].process
        for line in opening_lines(self._cloud, host.opening if host else ()):
            self._say("cloud", line)
        self._say("cloud", f"Ready in {took_s:.1f} s. Ctrl-C stops everything.")
        self._ready = True
        self._write_cloud_file()

    async def _stop(self) -> None:
        """Stop the host first, as it uses all others, and Azurite last, so that it can save everything."""
        self._say("cloud", "Stopping.")
        for names in (("host",), ("batch", "containers"), ("azurite",)):
            await asyncio.gather(*(self._kept[name].stop() for name in names if name in self._kept))
        self._cloud.home.cloud_file.unlink(missing_ok=True)
        self._say("cloud", "Stopped.")


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> bool:
    """Do some work unless told to stop first; says whether it was done. Raises what the work raises."""
    working, stopping = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if working.done():
        await working
        return True
    working.cancel()
    await asyncio.wait({working})
    return False
