"""The functions of an app, their triggers and their invocation."""

import asyncio
import json
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localcloud.host import runtime
from localcloud.host.config import ConfigError
from localcloud.host.runtime import Datum, datum

TRIGGERS = ("httpTrigger", "blobTrigger", "queueTrigger", "timerTrigger", "orchestrationTrigger", "activityTrigger")
OTHER_BINDINGS = ("http", "durableClient")

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """One function of the app. `trigger` holds the members of its trigger binding, as in a function.json."""

    name: str
    id: str
    trigger: Mapping[str, Any]
    client_names: tuple[str, ...]
    """Parameters that take a durable client."""

    @property
    def kind(self) -> str:
        """The kind of trigger, such as `queueTrigger`."""
        return str(self.trigger["type"])

    @property
    def durable_name(self) -> str:
        """The name by which orchestrations call it: its own, unless the trigger names another."""
        return str(self.trigger.get("orchestration") or self.trigger.get("activity") or self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of an invocation: a `value`, or the error's type, message and traceback."""

    value: Datum | None = None
    error_type: str | None = None
    error: str = ""
    traceback: str = ""

    @property
    def ok(self) -> bool:
        """Whether the function returned."""
        return self.error_type is None


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionApp:
    """A loaded app. `durable_client` is the configuration (JSON) that its durable clients get."""

    functions: tuple[Function, ...]
    durable_client: str = "{}"

    def of_kind(self, kind: str) -> tuple[Function, ...]:
        """The functions with this kind of trigger."""
        return tuple(function for function in self.functions if function.kind == kind)

    async def invoke(self, function: Function, value: Datum, metadata: Mapping[str, Datum] | None = None) -> Outcome:
        """Run a function with its trigger's value. Whatever it raises is an outcome."""
        client = datum(self.durable_client, "string")
        inputs = [(str(function.trigger["name"]), value), *((name, client) for name in function.client_names)]
        returned, error, trace = await runtime.invoke(function.id, inputs, metadata or {})
        return Outcome(value=returned) if error is None else failed_outcome(error, trace)

    async def invoke_logged(
        self,
        function: Function,
        value: Datum,
        metadata: Mapping[str, Datum],
        *,
        reason: str,
        level: int = logging.INFO,
    ) -> Outcome:
        """Invoke a function and say in the log how it ended; `reason` is what called it, `level` that of success."""
        clock = asyncio.get_running_loop().time
        begun = clock()
        outcome = await self.invoke(function, value, metadata)
        took = f"{(clock() - begun) * 1000:.0f} ms"
        if outcome.ok:
            _LOG.log(level, "%s ran in %s (%s).", function.name, took, reason)
        else:
            error = f"{outcome.error_type}: {outcome.error}"
            _LOG.error("%s failed after %s (%s): %s\n%s", function.name, took, reason, error, outcome.traceback)
        return outcome


def failed_outcome(error: str, trace: str) -> Outcome:
    """The outcome of a function that raised: `error` is the exception's `repr`, `trace` its formatted traceback."""
    name = re.match(r"[A-Za-z_]\w*", error)
    error_type = name.group() if name else "Error"
    said = re.findall(rf"^(?:[\w.]+\.)?{error_type}: (.*)\Z", trace, re.MULTILINE | re.DOTALL)
    return Outcome(error_type=error_type, error=said[-1].strip() if said else error, traceback=trace)


async def load_app(folder: Path) -> FunctionApp:
    """Import `function_app.py` of a folder and read its bindings.

    Raises `runtime.AppError` when it cannot be imported, `ConfigError` when it has a binding not served here.
    """
    return FunctionApp(functions=tuple(_function(item) for item in await runtime.load(folder)))


def _function(item: Any) -> Function:
    bindings: Sequence[dict[str, Any]] = [json.loads(raw) for raw in item.raw_bindings]
    triggers = [binding for binding in bindings if binding["type"] in TRIGGERS]
    unserved = {binding["type"] for binding in bindings} - {*TRIGGERS, *OTHER_BINDINGS}
    if unserved or len(triggers) != 1:
        kinds = ", ".join(sorted(unserved)) or f"{len(triggers)} triggers"
        raise ConfigError(f"The function {item.name} has {kinds}, which this host does not serve.")
    clients = tuple(binding["name"] for binding in bindings if binding["type"] == "durableClient")
    return Function(name=item.name, id=item.function_id, trigger=triggers[0], client_names=clients)
