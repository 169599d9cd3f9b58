"""What the last sweep has written down."""

from dropscore.cloud.ports import BlobStore
from dropscore.contracts import layout
from dropscore.contracts.codec import decode
from dropscore.contracts.errors import ContractError, NotFoundError
from dropscore.contracts.sweep import SweepReport


def last_sweep(blobs: BlobStore) -> SweepReport | None:
    """The report of the last sweep; None when there was none, or it is another version's."""
    try:
        return decode(SweepReport, blobs.get(layout.sweep_report()).data)
    except (NotFoundError, ContractError):
        return None
