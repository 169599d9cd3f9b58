"""What a worker tells of itself every few seconds, for whoever watches. Nothing depends on it."""

import json
from collections.abc import Mapping
from enum import StrEnum

from dropscore.contracts.base import Contract, Count, RunId, Seconds, Stored
from dropscore.contracts.codec import decode, encode

MOST_SHARDS = 64
"""Shards named at most."""
MOST_TITLE = 200
_KEY = "sign"


class WorkerState(StrEnum):
    """What a worker is doing."""

    SCORING = "scoring"
    IDLE = "idle"


class WorkerTask(Contract):
    """Shards of one run that a worker is scoring."""

    run_id: RunId
    shards: tuple[Count, ...]


class WorkerSign(Stored):
    """The metadata of `_workers/<worker>`."""

    device: str
    state: WorkerState
    tasks: tuple[WorkerTask, ...] = ()
    """By run, that of the oldest shard first."""
    items_per_s: Seconds | None = None
    seen_at: str


def sign_metadata(sign: WorkerSign) -> dict[str, str]:
    """The metadata that hold a sign: in ASCII, as headers must be."""
    return {_KEY: json.dumps(encode(sign), ensure_ascii=True, separators=(",", ":"))}


def sign_of(metadata: Mapping[str, str]) -> WorkerSign:
    """The sign in a blob's metadata. Raises `ContractError` when there is none."""
    return decode(WorkerSign, metadata.get(_KEY, ""))
