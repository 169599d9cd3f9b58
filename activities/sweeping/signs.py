"""Signs of workers that are gone: one that was killed cannot take its own away."""

from collections.abc import Iterator

from activities.sweeping.rounds import Round
from dropscore.contracts import layout

OLD_S = 3600.0


def old_signs(round: Round, after: str) -> Iterator[str]:
    """Remove what no worker has written over for an hour. Nothing depends on a sign, so it is not worth a report."""
    for info in round.ports.cloud.blobs.list(layout.worker_signs_prefix()):
        if info.path.name <= after:
            continue
        with round.trying(f"remove the sign {info.path.name}"):
            if round.time.since_s(info.modified_at) >= OLD_S:
                round.ports.cloud.blobs.delete(info.path)
        yield info.path.name
