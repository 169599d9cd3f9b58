"""Deterministic names: the same cause gives the same id, so that doing a thing twice is doing it once."""

import hashlib
import re

from dropscore.contracts.base import Contract
from dropscore.contracts.codec import encode_bytes
from dropscore.contracts.names import Role


def sha256_hex(data: bytes) -> str:
    """Lower-case hexadecimal SHA-256, 64 characters."""
    return hashlib.sha256(data).hexdigest()


def digest(value: Contract) -> str:
    """SHA-256 of a contract's JSON text."""
    return sha256_hex(encode_bytes(value))


def run_id_of_trigger(account: str, trigger_name: str, etag: str) -> str:
    """The run of one version of one trigger file, e.g. `film-night-3f9a0c1d2e4b5a67`."""
    cause = f"trigger\n{account}\n{trigger_name}\n{etag.strip('"')}"
    stem = trigger_name.rsplit("/", 1)[-1].rsplit(".", 1)[0]
    return _run_id(stem, cause)


def run_id_of_key(caller: str, idempotency_key: str) -> str:
    """The run of one idempotency key of one caller."""
    return _run_id("api", f"key\n{caller}\n{idempotency_key}")


def run_id_of_replay(replayed: str, caller: str, idempotency_key: str) -> str:
    """The replay of a run that one idempotency key of one caller asks for."""
    return _run_id(f"re-{replayed}", f"replay\n{replayed}\n{caller}\n{idempotency_key}")


def _run_id(stem: str, cause: str) -> str:
    readable = re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")[:24].strip("-") or "run"
    return f"{readable}-{sha256_hex(cause.encode())[:16]}"


def container_group_name(run_id: str, role: Role, attempt: int) -> str:
    """Name of a container group: at most 63 characters of a-z, 0-9 and hyphen."""
    return f"{role}-{attempt}-{run_id}"


def child_instance_id(run_id: str, stage: str) -> str:
    """Instance id of a run's sub-orchestration, one of `STAGES`."""
    return f"{run_id}:{stage}"


STAGES = (Role.PLAN, "score", Role.STITCH)
"""The sub-orchestrations of a run: who waits there for news (`EventName.NUDGE`)."""


def worker_task_id(run_id: str, round: int, number: int) -> str:
    """Id of a Batch task that starts a worker: at most 64 characters for a `round` below 10^9 and a `number`
    below 1,000.
    """
    return f"w-{run_id}-{round}-{number}"
