"""What runs have cost: seconds in which workers scored for them."""

import math

from dropscore.api.insight.boards import Boards
from dropscore.cloud.coalesced import Coalesced
from dropscore.cloud.ports import BlobStore, Clock
from dropscore.contracts import layout
from dropscore.contracts.codec import decode
from dropscore.contracts.errors import ContractError, NotFoundError
from dropscore.contracts.receipt import Receipt
from dropscore.contracts.run import RunState, RunStatus

MOST_RUNS = 2000


class Costs:
    """The worker time of runs: of one that has succeeded from its receipt, once; of any other from its verdicts."""

    def __init__(self, blobs: BlobStore, clock: Clock, boards: Boards) -> None:
        self._blobs = blobs
        self._boards = boards
        self._receipts = Coalesced(self._of_receipt, clock, fresh_s=math.inf, most=MOST_RUNS)

    def worker_s(self, state: RunState) -> float:
        """Seconds in which workers scored for a run so far."""
        if not state.items_total:
            return 0.0  # nothing is planned
        told = None
        if state.status in (RunStatus.SUCCEEDED, RunStatus.SUCCEEDED_WITH_GAPS):
            told = self._receipts(state.run_id)[0]
        return self._boards.board(state).worker_s if told is None else told

    def _of_receipt(self, run_id: str, _last: object) -> tuple[float | None]:
        try:
            return (decode(Receipt, self._blobs.get(layout.receipt(run_id)).data).worker_s,)
        except (NotFoundError, ContractError):
            return (None,)
