"""What there is besides runs: workers, models, workloads with their options, failure codes, and poison queues."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from dropscore.api.callers import caller_of
from dropscore.api.operations import Served
from dropscore.api.page import words
from dropscore.api.page.rendering import Pages
from dropscore.api.poison import PoisonShelf
from dropscore.api.services import Services
from dropscore.contracts.base import Json
from dropscore.contracts.failures import CODES

POISON_MS = 3_000
WORKERS_MS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """An option of a workload in words."""

    name: str
    kind: str
    default: str
    about: str


class CataloguePage:
    """`/workers`, `/models`, `/workloads`, `/codes` and `/poison`."""

    def __init__(self, services: Callable[[], Services], pages: Pages, served: Mapping[str, Served]) -> None:
        self._services = services
        self._pages = pages
        self._served = served

    async def workloads(self, request: Request) -> Response:
        """GET /workloads: what can be scored, with the options of each."""
        described = await run_in_threadpool(self._services().workloads.describe)
        told = [(workload, list(options(workload["options"]))) for workload in described]
        return self._pages.answer(request, "workloads.html", {"workloads": told})

    async def models(self, request: Request) -> Response:
        """GET /models: every model with its versions and aliases."""
        models = await run_in_threadpool(self._services().insight.models.models)
        return self._pages.answer(request, "models.html", {"models": models})

    async def workers(self, request: Request) -> Response:
        """GET /workers: the workers heard of lately, and what they score."""
        services = self._services()
        known = services.insight.workers
        workers = await run_in_threadpool(known.all, with_runs=caller_of(request).tenant is None)
        context = {"workers": workers, "now": services.cloud.clock.now(), "every_ms": WORKERS_MS}
        return self._pages.answer(request, "workers.html", context)

    async def codes(self, request: Request) -> Response:
        """GET /codes: what each failure code means, and what to do."""
        codes = sorted(CODES.items(), key=lambda entry: entry[0].value)
        return self._pages.answer(request, "codes.html", {"codes": codes})

    async def poison(self, request: Request) -> Response:
        """GET /poison: every poison queue with its next messages."""
        queues = await run_in_threadpool(PoisonShelf(self._services().cloud).queues)
        context = {
            "queues": queues,
            "now": self._services().cloud.clock.now(),
            "may_change": self._pages.visit(request).may(self._served["DropPoison"].operation),
            "every_ms": POISON_MS,
        }
        return self._pages.answer(request, "poison.html", context)


def options(schema: Json) -> Iterator[Option]:
    """The options that a JSON Schema describes, in its order."""
    root: Mapping[str, Any] = schema if isinstance(schema, Mapping) else {}
    for name, member in root.get("properties", {}).items():
        described = _resolved(root, member)
        yield Option(
            name=name,
            kind=_kind(root, described),
            default=words.value(member["default"]) if "default" in member else "",
            about=str(member.get("description") or described.get("description") or ""),
        )


def _resolved(root: Mapping[str, Any], member: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = str(member.get("$ref", ""))
    found = root.get("$defs", {}).get(reference.rpartition("/")[2]) if reference else None
    return found if isinstance(found, Mapping) else member


def _kind(root: Mapping[str, Any], member: Mapping[str, Any]) -> str:
    """A schema in words, such as `number from 0 to 1` or `repeat, gaps`."""
    if "enum" in member:
        return ", ".join(str(choice) for choice in member["enum"])
    if "anyOf" in member:
        kinds = [_kind(root, _resolved(root, choice)) for choice in member["anyOf"]]
        return " or ".join("nothing" if kind == "null" else kind for kind in kinds)
    least = member.get("minimum", member.get("exclusiveMinimum"))
    most = member.get("maximum", member.get("exclusiveMaximum"))
    bounds = (f" from {least:g}" if least is not None else "") + (f" to {most:g}" if most is not None else "")
    return {"integer": "whole number", "boolean": "yes or no", "string": "text"}.get(
        str(member.get("type")), str(member.get("type", "any"))
    ) + bounds
