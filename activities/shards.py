"""Puts the shards of a run on their lane's queue: once, and again those that seem lost."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from activities.verdict_listing import settled_ids
from dropscore.cloud.bell import ring
from dropscore.cloud.ports import BlobStore, Cloud
from dropscore.contracts import layout
from dropscore.contracts.base import Json
from dropscore.contracts.codec import decode, encode, encode_bytes
from dropscore.contracts.errors import ContractError, NotFoundError
from dropscore.contracts.names import LANE_QUEUES, Lane
from dropscore.contracts.orchestration import Enqueue, Enqueued, Requeue, Requeued
from dropscore.contracts.plan import MAX_MESSAGE_BYTES, SHARDS_PER_PAGE, ShardMessage, ShardSpec
from dropscore.contracts.request import AdmittedRun

BUDGET_S = 1.5
"""Time one call may spend on sending."""
CHUNK = 100
"""Shards sent before the time is looked at again."""


class Sent(NamedTuple):
    """How many shards went onto the queue, and the first that did not."""

    shards: int
    next_shard: int


class ShardActivities:
    """The activities that put shards on a queue."""

    def __init__(self, cloud: Cloud) -> None:
        self._blobs = cloud.blobs
        self._queue = cloud.queue
        self._clock = cloud.clock

    def enqueue_shards(self, _ctx: object, payload: Json) -> Json:
        """`Enqueue` to `Enqueued`. A run that is started again goes on from where it was."""
        asked = decode(Enqueue, payload)
        first = asked.next_shard or self._enqueued(asked.run_id)
        if first >= asked.shards:
            return encode(Enqueued(next_shard=first))
        wanted, generation = self._wanted(asked.run_id, range(first, asked.shards))
        sent = self._send(asked.run_id, asked.lane, wanted, asked.shards, generation=generation)
        enqueued = Enqueued(next_shard=sent.next_shard)
        self._blobs.put(layout.enqueued(asked.run_id), encode_bytes(enqueued), content_type="application/json")
        ring(self._blobs, asked.run_id)
        return encode(enqueued)

    def requeue_missing(self, _ctx: object, payload: Json) -> Json:
        """`Requeue` to `Requeued`. A shard that is on the queue twice costs a look at its verdict."""
        asked = decode(Requeue, payload)
        settled = settled_ids(self._blobs, asked.run_id, from_shard=asked.settled_before, shards=asked.shards)
        missing = [shard for shard in range(asked.settled_before, asked.shards) if shard not in settled]
        first_step = asked.next_shard <= asked.settled_before
        if first_step and asked.trust_queue and trusts_queue(asked.generation):
            depth = self._queue.depth(LANE_QUEUES[asked.lane])
            if depth >= len(missing):
                return encode(Requeued(shards=0, next_shard=asked.shards))
        wanted = [shard for shard in missing if shard >= asked.next_shard]
        sent = self._send(asked.run_id, asked.lane, wanted, asked.shards, generation=asked.generation)
        ring(self._blobs, asked.run_id)
        return encode(Requeued(shards=sent.shards, next_shard=sent.next_shard))

    def _wanted(self, run_id: str, shards: range) -> tuple[Iterable[int], int]:
        """Those of the shards that are to be scored, and the generation of their messages. Of a replay, those that the
        first run left without a good verdict, and their records are looked at before they are scored.
        """
        admitted = decode(AdmittedRun, self._blobs.get(layout.admission(run_id)).data)
        if admitted.replay_of is None:
            return shards, 0
        settled = settled_ids(self._blobs, run_id, from_shard=shards.start, shards=shards.stop)
        return [shard for shard in shards if shard not in settled], 1

    def _enqueued(self, run_id: str) -> int:
        """How far an earlier call came."""
        try:
            return decode(Enqueued, self._blobs.get(layout.enqueued(run_id)).data).next_shard
        except NotFoundError:
            return 0

    def _send(self, run_id: str, lane: Lane, wanted: Iterable[int], shards: int, *, generation: int) -> Sent:
        """Send as many of the wanted shards as fit in the time. `shards` is the next one when all were sent."""
        until = self._clock.monotonic() + BUDGET_S
        sent = 0
        for chunk in _chunks(plan_shards(self._blobs, run_id, wanted)):
            bodies = [message_body(run_id, shard, generation) for shard in chunk]
            put = self._queue.send_many(LANE_QUEUES[lane], bodies)
            sent += put
            if put < len(chunk):
                return Sent(sent, chunk[put].shard_id)
            if self._clock.monotonic() >= until:
                return Sent(sent, chunk[-1].shard_id + 1)
        return Sent(sent, shards)


def trusts_queue(generation: int) -> bool:
    """Whether as many messages on the lane as shards are missing count as theirs.

    Mostly: then nothing is lost, and workers are slow or not there yet. But the messages may be another run's, so
    every now and then (generations 2, 4, 8, ...) the shards are put on the queue again regardless.
    """
    return generation < 2 or generation & (generation - 1) != 0


def plan_shards(blobs: BlobStore, run_id: str, wanted: Iterable[int]) -> Iterator[ShardSpec]:
    """The wanted shards of the plan, in order; each page is read once."""
    page_number, lines = 0, list[bytes]()
    for shard_id in wanted:
        page = layout.page_of(shard_id)
        if page != page_number:
            page_number, lines = page, blobs.get(layout.plan_page(run_id, page)).data.splitlines()
        shard = decode(ShardSpec, lines[shard_id % SHARDS_PER_PAGE])
        if shard.shard_id != shard_id:
            raise ContractError(str(layout.plan_page(run_id, page)), (("$.shard_id", f"not {shard_id}"),))
        yield shard


def message_body(run_id: str, shard: ShardSpec, generation: int) -> bytes:
    """The queue message of a shard."""
    body = encode_bytes(ShardMessage(run_id=run_id, shard=shard, generation=generation))
    if len(body) > MAX_MESSAGE_BYTES:
        raise ContractError("ShardMessage", (("$.shard.work", f"{len(body)} bytes, over {MAX_MESSAGE_BYTES}"),))
    return body


def _chunks(shards: Iterator[ShardSpec]) -> Iterator[list[ShardSpec]]:
    chunk: list[ShardSpec] = []
    for shard in shards:
        chunk.append(shard)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
