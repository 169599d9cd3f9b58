"""Every activity by its name."""

from collections.abc import Callable, Mapping

from activities.admit import AdmitActivities
from activities.catalogue import Catalogue
from activities.clean_up import CleanUpActivities
from activities.containers import ContainerActivities
from activities.finish import FinishActivities
from activities.plan import PlanActivities
from activities.ports import Ports
from activities.shards import ShardActivities
from activities.status import StatusActivities
from activities.verdicts import VerdictActivities
from activities.workers import WorkerActivities
from dropscore.contracts.base import Json
from dropscore.contracts.names import ActivityName

type Activity = Callable[[object, Json], Json]
"""An activity: from its durable context, which is not used, and its input to its result."""


def activities(ports: Ports, catalogue: Catalogue) -> Mapping[ActivityName, Activity]:
    """Every activity over these ports."""
    containers = ContainerActivities(ports)
    shards = ShardActivities(ports.cloud)
    methods: tuple[Activity, ...] = (
        AdmitActivities(ports.cloud, catalogue).admit,
        StatusActivities(ports.cloud).record_status,
        containers.start_container,
        containers.check_container,
        containers.remove_container,
        PlanActivities(ports.cloud).read_plan,
        shards.enqueue_shards,
        shards.requeue_missing,
        WorkerActivities(ports.cloud, ports.pool).ensure_workers,
        VerdictActivities(ports.cloud).count_verdicts,
        CleanUpActivities(ports).clean_up,
        FinishActivities(ports.cloud).finish,
    )
    return {ActivityName(method.__name__): method for method in methods}
