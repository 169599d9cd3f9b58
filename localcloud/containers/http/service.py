"""The whole table of operations, and the service around it."""

from localcloud.containers.engine import Engine
from localcloud.containers.http.arm import check_caller, error_answer
from localcloud.containers.http.groups import GROUP, GroupHandlers
from localcloud.containers.http.locations import LocationHandlers
from localcloud.emulation.admin import Admin, RequestFaults
from localcloud.emulation.routing import Operation, Router
from localcloud.emulation.server import Service

NOT_EMULATED = (
    ("POST", f"{GROUP}/containers/{{containerName}}/exec"),
    ("POST", f"{GROUP}/containers/{{containerName}}/attach"),
)
"""Operations of the provider that answer 501."""


def containers_service(engine: Engine) -> Service:
    """The service over an engine."""
    operations = (
        *GroupHandlers(engine).operations(),
        *LocationHandlers(engine).operations(),
        *Admin(engine.context.ledger, engine.context.faults).operations(),
        *(Operation(method=method, template=path) for method, path in NOT_EMULATED),
    )
    return Service(Router(operations), [check_caller, RequestFaults(engine.context.faults)], error_answer)
