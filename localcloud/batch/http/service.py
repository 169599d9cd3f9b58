"""The whole table of operations, and the service around it."""

from starlette.responses import Response

from localcloud.batch.engine.engine import Engine
from localcloud.batch.http.admin import AdminHandlers
from localcloud.batch.http.answers import Answers
from localcloud.batch.http.files import FileHandlers
from localcloud.batch.http.jobs import JobHandlers
from localcloud.batch.http.nodes import NodeHandlers
from localcloud.batch.http.pools import PoolHandlers
from localcloud.batch.http.refusals import refuse
from localcloud.batch.http.signature import SharedKey
from localcloud.batch.http.tasks import TaskHandlers
from localcloud.batch.views.common import Addresses
from localcloud.emulation.admin import Admin, RequestFaults, is_own
from localcloud.emulation.routing import Call, Handler, Middleware, Operation, Router
from localcloud.emulation.server import Service

API_VERSION = "2025-06-01"

NOT_EMULATED = (
    ("GET", "/jobschedules"),
    ("POST", "/jobschedules"),
    ("GET", "/jobschedules/{jobScheduleId}"),
    ("HEAD", "/jobschedules/{jobScheduleId}"),
    ("PUT", "/jobschedules/{jobScheduleId}"),
    ("PATCH", "/jobschedules/{jobScheduleId}"),
    ("DELETE", "/jobschedules/{jobScheduleId}"),
    ("POST", "/jobschedules/{jobScheduleId}/disable"),
    ("POST", "/jobschedules/{jobScheduleId}/enable"),
    ("POST", "/jobschedules/{jobScheduleId}/terminate"),
    ("GET", "/jobschedules/{jobScheduleId}/jobs"),
    ("GET", "/poolusagemetrics"),
    ("GET", "/pools/{poolId}/nodes/{nodeId}/remoteloginsettings"),
    ("POST", "/pools/{poolId}/nodes/{nodeId}/users"),
    ("PUT", "/pools/{poolId}/nodes/{nodeId}/users/{userName}"),
    ("DELETE", "/pools/{poolId}/nodes/{nodeId}/users/{userName}"),
)
"""Operations of the data plane that answer 501."""


class ApplicationHandlers:
    """Application packages: there are none."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers

    def operations(self) -> tuple[Operation, ...]:
        """The rows of the table."""
        return (
            Operation(method="GET", template="/applications", handler=self.list),
            Operation(method="GET", template="/applications/{applicationId}", handler=self.get),
        )

    async def list(self, call: Call) -> Response:
        return self._answers.json(call, {"value": []}, kind="applications")

    async def get(self, _: Call) -> Response:
        raise refuse("ApplicationNotFound", "The specified application does not exist.")


async def check_version(call: Call, handler: Handler) -> Response:
    """Middleware: the emulator speaks one version of the interface."""
    version = call.query.get("api-version")
    if version is None and not is_own(call):
        raise refuse("MissingRequiredQueryParameter", "The query needs api-version.", QueryName="api-version")
    if version is not None and version != API_VERSION:
        raise refuse("UnsupportedRequestVersion", f"api-version is {version}; the emulator speaks {API_VERSION}.")
    return await handler(call)


def batch_service(engine: Engine) -> Service:
    """The service over an engine."""
    settings, clock = engine.context.settings, engine.context.clock
    answers, addresses = Answers(clock), Addresses(base=settings.url)
    operations = (
        *PoolHandlers(engine, answers, addresses).operations(),
        *NodeHandlers(engine, answers, addresses).operations(),
        *JobHandlers(engine, answers, addresses).operations(),
        *TaskHandlers(engine, answers, addresses).operations(),
        *FileHandlers(engine, answers, addresses).operations(),
        *ApplicationHandlers(answers).operations(),
        *AdminHandlers(engine).operations(),
        *Admin(engine.context.ledger, engine.faults).operations(),
        *(Operation(method=method, template=path) for method, path in NOT_EMULATED),
    )
    middleware: list[Middleware] = [RequestFaults(engine.faults), check_version]
    if settings.key is not None:
        middleware.insert(0, SharedKey(settings.account, settings.key, clock))
    return Service(Router(operations), middleware, answers.error)
