"""Timer triggers. They follow the clock while the host runs; a time missed while it was down is not made up for."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from localcloud.host.functions import Function, FunctionApp
from localcloud.host.ncrontab import Schedule
from localcloud.host.runtime import datum

LONGEST_SLEEP_S = 60.0
"""Sleep no longer at a time, so that a change of the machine's clock is noticed."""


def utc_now() -> datetime:
    """The time now, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerListener:
    """Calls one function at the times of its schedule, never twice at once."""

    app: FunctionApp
    function: Function
    schedule: Schedule
    now: Callable[[], datetime] = utc_now

    async def run(self) -> None:
        """Follow the schedule until cancelled."""
        last: datetime | None = None
        if self.function.trigger.get("runOnStartup"):
            last = await self._fire(last, self.schedule.after(self.now()))
        while True:
            due = self.schedule.after(self.now())
            while (wait_s := (due - self.now()).total_seconds()) > 0:
                await asyncio.sleep(min(wait_s, LONGEST_SLEEP_S))
            last = await self._fire(last, self.schedule.after(due))

    async def _fire(self, last: datetime | None, following: datetime) -> datetime:
        begun = self.now()
        status = {"Last": (last or begun).isoformat(), "Next": following.isoformat(), "LastUpdated": begun.isoformat()}
        said = {"Schedule": {"AdjustForDST": True}, "ScheduleStatus": status, "IsPastDue": False}
        await self.app.invoke_logged(self.function, datum(json.dumps(said), "json"), {}, reason="timer")
        return begun
