"""How much a flood of messages that nobody can read delays a run: 10,000 of them on the lane before it.

Storage is the emulator, the worker a real process with a stand-in device of 40 ms a frame. It is held (SIGSTOP) until
flood and run are on the queue, so that the run is behind all of it. A quarter each of the messages is no JSON, of a
schema version yet unknown, larger than any of ours, and the well-formed shard of a run that does not exist.

R8.1  the run behind the flood / the same run on a quiet queue
R8.2  messages of the flood lost, or left on the lane once the worker has had time for them
"""

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.goals import Goal, report
from benchmarks.worker_bench import Bench, Child, bench, worker
from dropscore.contracts.codec import encode_bytes
from dropscore.contracts.names import QueueName
from dropscore.contracts.plan import ShardMessage, ShardSpec
from dropscore.contracts.request import InputRef

FRAMES = 1_800
"""A minute of film."""
FLOOD = 10_000
REPEATS = 2
"""The best is taken of each: other work on the machine only ever adds time."""
PATIENCE_S = 600.0
LANE, POISON = QueueName.SHARDS_NORMAL, QueueName.SHARDS_NORMAL_POISON


def main() -> int:
    """Measure and report."""
    with bench() as storage:
        clip = storage.upload_clip(FRAMES)
        with worker(storage, "device") as child:
            timed(storage, child, storage.upload_clip(60), "warm-up")
            quiet = min(timed(storage, child, clip, f"quiet-{number}") for number in range(REPEATS))
            flooded, left = [], 0
            for number in range(REPEATS):
                flooded.append(timed(storage, child, clip, f"flooded-{number}", flood=FLOOD))
                left += astray(storage, FLOOD * (number + 1))
    print(f"quiet {quiet:.2f} s, behind {FLOOD} messages {', '.join(f'{seconds:.2f} s' for seconds in flooded)}")
    ratio = min(flooded) / quiet
    return report(
        [
            Goal(id="R8.1", title=f"a run behind {FLOOD:,} junk messages / on a quiet queue", value=ratio, bar=1.5),
            Goal(id="R8.2", title="junk messages lost or left on the lane", value=left, bar=0, unit=""),
        ]
    )


def timed(storage: Bench, child: Child, clip: InputRef, run_id: str, *, flood: int = 0) -> float:
    """Seconds from the moment the worker may work to the last verdict of a run."""
    job = storage.plan(run_id, clip)
    with held(child):
        send_all(storage, junk(flood))
        storage.send(job)
    began = time.monotonic()
    storage.wait_verdicts(job)
    seconds = time.monotonic() - began
    again = sum(verdict.attempt > 1 for verdict in storage.verdicts(job))
    print(f"{run_id}: {seconds:.2f} s, {again} shards delivered more than once", flush=True)
    return seconds


@contextmanager
def held(child: Child) -> Iterator[None]:
    """The worker stands still while the block runs."""
    child.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        child.process.send_signal(signal.SIGCONT)


def junk(count: int) -> list[bytes]:
    """Messages of each kind in turn."""
    spec = ShardSpec(shard_id=0, input_index=0, first_item=0, items=1, work={"from_pts": 1})
    foreign = encode_bytes(ShardMessage(run_id="nobody-0123456789abcdef", shard=spec))
    unknown = foreign.replace(b'"schema_version":1', b'"schema_version":2')
    kinds = (b"no json", unknown, b"{" + b" " * 4096 + b"}", foreign)
    return [kinds[number % len(kinds)] for number in range(count)]


def send_all(storage: Bench, bodies: list[bytes]) -> None:
    """Put them all on the lane."""
    sent = 0
    while sent < len(bodies):
        sent += storage.queue.send_many(LANE, bodies[sent:])


def astray(storage: Bench, expected: int) -> int:
    """Messages that are neither on the poison queue nor gone from the lane when there was time enough."""
    deadline = time.monotonic() + PATIENCE_S
    began = time.monotonic()
    while (left := storage.queue.depth(LANE)) and time.monotonic() < deadline:
        time.sleep(1.0)
    aside = storage.queue.depth(POISON)
    print(f"{aside} messages are aside, {left} left, {time.monotonic() - began:.0f} s later", flush=True)
    return left + max(0, expected - aside)


if __name__ == "__main__":
    sys.exit(main())
