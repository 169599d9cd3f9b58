"""Container groups of runs that have ended or do not exist."""

import re
from collections.abc import Iterator

from activities.clean_up import MOST_ATTEMPTS
from activities.containers import container_log, save_and_delete
from activities.sweeping.rounds import Round
from dropscore.contracts.names import Role
from dropscore.contracts.orchestration import ContainerRef
from dropscore.contracts.sweep import SweepDeed

_NAME = re.compile(rf"({'|'.join(Role)})-(\d{{1,{len(str(MOST_ATTEMPTS))}}})-([a-z0-9][a-z0-9-]{{2,47}})")


def orphaned_groups(round: Round, after: str) -> Iterator[str]:
    """Delete each group, tagged as ours, whose run is over."""
    for name in round.ports.containers.names():
        round.saw("groups")
        if name <= after:
            continue
        told = _NAME.fullmatch(name)
        with round.trying(f"delete the container group {name}"):
            if told is not None and round.is_over(told[3]):
                _delete(round, name, ContainerRef(run_id=told[3], role=Role(told[1]), attempt=int(told[2])))
        yield name


def _delete(round: Round, name: str, ref: ContainerRef) -> None:
    """What it printed is kept if there is a run to keep it with."""
    containers = round.ports.containers
    if ref.run_id in round.entries:
        save_and_delete(containers, round.ports.cloud.blobs, name, container_log(ref))
    else:
        containers.delete(name)
    round.did(SweepDeed.GROUP_DELETED, name, f"A container group of the run {ref.run_id}, which is over, was deleted.")
