"""The contact sheet of a run under way: a small picture of some shards, as their verdicts carry it."""

import base64
import binascii
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from dropscore.api.page.security import headers
from dropscore.api.runs import stored_state
from dropscore.api.services import Services
from dropscore.cloud.ports import BlobStore
from dropscore.contracts import layout
from dropscore.contracts.base import Json
from dropscore.contracts.codec import decode
from dropscore.contracts.errors import ContractError, FailedError, NotFoundError
from dropscore.contracts.failures import Code
from dropscore.contracts.http.items import ShardGrid, ShardState
from dropscore.contracts.verdict import Verdict

MOST = 12
"""Pictures of a sheet, evenly spread over the run."""
KEPT = 512
"""Pictures kept in memory, of 2 to 4 kB each."""
METRIC = "picture"
_SCORED = frozenset({ShardState.DONE.value, ShardState.RETRIED.value, ShardState.SPLIT.value})
_JPEG = b"\xff\xd8\xff"
_LARGEST = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """A place of the sheet; `shard_id` None while no shard of its part of the run is scored."""

    shard_id: int | None
    item: int | None


class Pictures:
    """The small pictures of runs, read from verdicts and kept: a verdict never changes."""

    def __init__(self, services: Callable[[], Services]) -> None:
        self._services = services
        self._kept: OrderedDict[tuple[str, int], bytes | None] = OrderedDict()
        self._guard = threading.Lock()

    async def show(self, request: Request) -> Response:
        """GET /runs/{run_id}/pictures/{shard_id}: a JPEG."""
        jpeg = await run_in_threadpool(self._asked, request)
        if jpeg is None:
            raise FailedError.of(Code.PAGE_UNKNOWN, "This shard has no picture.")
        response = Response(jpeg, media_type="image/jpeg")
        response.headers.update(headers(None) | {"Cache-Control": "private, max-age=86400, immutable"})
        return response

    def sheet(self, grid: ShardGrid) -> Sequence[Spot]:
        """The places of a run's sheet in order; empty where its workload gives no pictures, or none yet."""
        spots = list(_spots(grid))
        scored = [spot.shard_id for spot in spots if spot.shard_id is not None]
        if not scored or self._picture(grid.run_id, scored[0]) is None:
            return ()
        return spots

    def _asked(self, request: Request) -> bytes | None:
        run_id, shard = request.path_params["run_id"], request.path_params["shard_id"]
        stored_state(self._services().cloud.blobs, run_id)
        return self._picture(run_id, shard)

    def _picture(self, run_id: str, shard_id: int) -> bytes | None:
        key = (run_id, shard_id)
        with self._guard:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        picture = _read(self._services().cloud.blobs, run_id, shard_id)
        with self._guard:
            self._kept[key] = picture
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return picture


def _spots(grid: ShardGrid) -> Sequence[Spot]:
    """The first scored shard of each of `MOST` equal parts of the run."""
    total = grid.shards_total
    parts = min(MOST, total)
    bounds = [(nth * total // parts, (nth + 1) * total // parts) for nth in range(parts)]
    found = [next((n for n in range(*part) if grid.states[n] in _SCORED), None) for part in bounds]
    return [Spot(shard_id=n, item=None if n is None else grid.first_items[n]) for n in found]


def _read(blobs: BlobStore, run_id: str, shard_id: int) -> bytes | None:
    try:
        verdict = decode(Verdict, blobs.get(layout.verdict(run_id, shard_id)).data)
    except (NotFoundError, ContractError):
        return None
    metrics = [verdict.metrics, *(piece.metrics for piece in verdict.pieces)]
    return next((picture for one in metrics if (picture := _jpeg(one.get(METRIC))) is not None), None)


def _jpeg(text: Json) -> bytes | None:
    """The picture that a verdict carries; None for anything that is no JPEG of a small size."""
    if not isinstance(text, str) or len(text) > _LARGEST:
        return None
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if data.startswith(_JPEG) else None
