"""Starts, looks at and removes the containers that plan and stitch a run."""

from activities.ports import Ports
from dropscore.cloud.bell import ring
from dropscore.cloud.ports import BlobStore, ContainerRunner, ContainerSpec, ContainerState
from dropscore.cloud.settings import TaskEnvironment
from dropscore.contracts import layout
from dropscore.contracts.base import Json
from dropscore.contracts.codec import decode, encode
from dropscore.contracts.errors import NotFoundError
from dropscore.contracts.failures import Failure
from dropscore.contracts.identity import container_group_name
from dropscore.contracts.layout import BlobPath
from dropscore.contracts.names import Role
from dropscore.contracts.orchestration import ContainerCheck, ContainerPhase, ContainerRef, RunRef

_AT_WORK = (ContainerPhase.WAITING, ContainerPhase.RUNNING)
_PRODUCTS = {Role.PLAN: layout.plan_index, Role.STITCH: layout.stitch_result}


class ContainerActivities:
    """The activities of `run_container`."""

    def __init__(self, ports: Ports) -> None:
        self._blobs = ports.cloud.blobs
        self._containers = ports.containers
        self._image = ports.container_image
        self._environment = ports.container_environment

    def start_container(self, _ctx: object, payload: Json) -> Json:
        """`ContainerRef` to `RunRef`. A group that exists is left as it is. Workers hear of a plan that is begun."""
        ref = decode(ContainerRef, payload)
        self._containers.start(container_spec(ref, self._image, self._environment))
        if ref.role is Role.PLAN:
            ring(self._blobs, ref.run_id)
        return encode(RunRef(run_id=ref.run_id))

    def check_container(self, _ctx: object, payload: Json) -> Json:
        """`ContainerRef` to `ContainerCheck`.

        The group is looked at first, its product after: a container that ended just now has written it by then.
        """
        ref = decode(ContainerRef, payload)
        state = self._containers.state(_name(ref))
        ready = self._blobs.head(_PRODUCTS[ref.role](ref.run_id)) is not None
        return encode(self._check(ref, state, ready=ready))

    def remove_container(self, _ctx: object, payload: Json) -> Json:
        """`ContainerRef` to `RunRef`. What the group printed is kept, then the group is deleted."""
        ref = decode(ContainerRef, payload)
        save_and_delete(self._containers, self._blobs, _name(ref), container_log(ref))
        return encode(RunRef(run_id=ref.run_id))

    def _check(self, ref: ContainerRef, state: ContainerState, *, ready: bool) -> ContainerCheck:
        if ready:
            return ContainerCheck(phase=state.phase, product_ready=True)
        return ContainerCheck(
            phase=state.phase,
            product_ready=False,
            cancelled=self._blobs.head(layout.cancel_mark(ref.run_id)) is not None,
            suspended=state.phase is ContainerPhase.MISSING and self._suspended(ref),
            exit_code=state.exit_code,
            failure=None if state.phase in _AT_WORK else self._failure(ref),
            detail=state.detail,
        )

    def _suspended(self, ref: ContainerRef) -> bool:
        return self._blobs.head(layout.suspend_mark(ref.run_id)) is not None

    def _failure(self, ref: ContainerRef) -> Failure | None:
        """What a container of this role wrote down as not worth another attempt."""
        try:
            return decode(Failure, self._blobs.get(layout.stage_failure(ref.run_id, ref.role)).data)
        except NotFoundError:
            return None


def container_spec(ref: ContainerRef, image: str, environment: TaskEnvironment) -> ContainerSpec:
    """The container that does the work of a role for a run."""
    return ContainerSpec(
        name=_name(ref),
        image=image,
        command=("python", "-m", "cpu_worker", str(ref.role), "--run", ref.run_id),
        environment=environment.plain,
        secrets=environment.secret,
        tags={"run": ref.run_id, "role": str(ref.role), "attempt": str(ref.attempt)},
    )


def container_log(ref: ContainerRef) -> BlobPath:
    """Where the printed output of a container group is kept; its own log lies beside it."""
    return layout.log(ref.run_id, f"{ref.role}-{ref.attempt}.console")


def save_and_delete(containers: ContainerRunner, blobs: BlobStore, name: str, log: BlobPath) -> None:
    """Keep what a group printed, if anything, and delete the group."""
    text = containers.logs(name)
    if text:
        blobs.put(log, text.encode(), content_type="text/plain; charset=utf-8")
    containers.delete(name)


def _name(ref: ContainerRef) -> str:
    return container_group_name(ref.run_id, ref.role, ref.attempt)
