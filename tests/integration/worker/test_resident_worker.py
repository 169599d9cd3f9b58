"""The worker's story from message to verdict, over storage in memory."""

from collections.abc import Callable

from toy_workload import STAGE
from world import RunningWorker, Runs, item, scored

from dropscore.cloud.memory import MemoryCloud
from dropscore.contracts import layout
from dropscore.contracts.names import QueueName
from dropscore.contracts.verdict import Outcome

Start = Callable[..., RunningWorker]
Wait = Callable[..., None]


def test_every_shard_gets_a_part_and_a_verdict_and_its_message_goes(
    cloud: MemoryCloud, runs: Runs, start_worker: Start, wait_until: Wait
) -> None:
    data = b"".join(item(number) for number in range(20))
    shards = runs.start("run-1", data, shard_items=3)
    start_worker()

    wait_until(lambda: len(runs.verdicts("run-1", shards)) == shards)

    assert runs.output("run-1", shards) == scored(data)
    assert {verdict.outcome for verdict in runs.verdicts("run-1", shards)} == {Outcome.DONE}
    wait_until(lambda: cloud.queue.depth(QueueName.SHARDS_NORMAL) == 0)
    wait_until(lambda: cloud.queue.bodies(QueueName.RUN_EVENTS))
