"""Tells who dropped a trigger file why it was refused: in the container `rejected`, under the trigger's own name."""

from dropscore.cloud.ports import BlobStore, Clock
from dropscore.contracts import layout
from dropscore.contracts.codec import encode_bytes
from dropscore.contracts.reading import Refusal
from dropscore.contracts.run import Rejection


def reject_trigger(blobs: BlobStore, clock: Clock, *, trigger: str, run_id: str | None, failures: Refusal) -> None:
    """Write the reasons, readable, over what an earlier trigger of this name may have left."""
    rejection = Rejection(trigger=trigger, run_id=run_id, at=clock.now(), failures=failures)
    blobs.put(layout.rejected(trigger), encode_bytes(rejection, indent=2), content_type="application/json")
