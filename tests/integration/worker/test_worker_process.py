"""The worker as the process that Batch starts, over the storage emulator."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from toy_workload import HOLD_FILE, Misbehaviour
from world import Runs, item, scored

from dropscore.cloud.azure_blobs import connect_blobs
from dropscore.cloud.azure_queue import connect_queue
from dropscore.cloud.azure_setup import create_containers_and_queues
from dropscore.cloud.connection import read_storage
from dropscore.cloud.environment import Environment
from dropscore.contracts.names import Account, QueueName
from dropscore.contracts.request import RunPolicy
from localcloud.azurite import running_azurite
from localcloud.node import NodeError

pytestmark = [pytest.mark.azurite, pytest.mark.timeout(180)]

GOOD = b"".join(item(number) for number in range(12))
Wait = Callable[..., None]


class Storage:
    """The emulator, and how a worker finds it."""

    def __init__(self, settings: dict[str, str]) -> None:
        environment = Environment(settings)
        storages = {
            Account.DATA: read_storage(environment, "DataStorage"),
            Account.SYSTEM: read_storage(environment, "SystemStorage"),
        }
        create_containers_and_queues(storages)
        self.settings = settings
        self.blobs, self.queue = connect_blobs(storages), connect_queue(storages)


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storage]:
    try:
        with running_azurite(tmp_path_factory.mktemp("azurite")) as azurite:
            yield Storage(dict(azurite.settings))
    except NodeError as error:
        pytest.skip(str(error))


@pytest.fixture
def remote(storage: Storage) -> Runs:
    return Runs(storage)


@pytest.fixture(scope="module")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that registers the toy workload as an installed package would."""
    folder = tmp_path_factory.mktemp("plugins")
    info = folder / "toy_workload-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-workload\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[dropscore.workloads]\ntoy = toy_workload:TOY\n")
    return folder


@pytest.fixture
def start(
    storage: Storage, plugins: Path, tmp_path: Path, repository: Path
) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start a worker process; what is left of them is killed when the test ends."""
    running: list[subprocess.Popen[bytes]] = []

    def begin(name: str = "w1", **settings: str) -> subprocess.Popen[bytes]:
        paths = (str(repository), str(Path(__file__).parent), str(plugins))
        environment = {
            **os.environ,
            **storage.settings,
            "PYTHONPATH": os.pathsep.join(paths),
            "WORKER_NAME": name,
            "WORKER_DEVICE": "cpu",
            HOLD_FILE: str(tmp_path / "let-go"),
            **settings,
        }
        with (tmp_path / f"{name}.log").open("ab") as log:
            running.append(subprocess.Popen([sys.executable, "-m", "gpu_worker"], env=environment, stderr=log))
        return running[-1]

    yield begin
    for process in running:
        process.kill()
        process.wait()


def lines(tmp_path: Path, name: str = "w1") -> list[dict[str, object]]:
    return [json.loads(line) for line in (tmp_path / f"{name}.log").read_text().splitlines() if line.startswith("{")]


def actions(tmp_path: Path, name: str = "w1") -> list[object]:
    return [line.get("action") for line in lines(tmp_path, name)]


def test_a_process_scores_a_run_and_leaves_when_idle(remote, start, wait_until, tmp_path, storage):
    shards = remote.start("process-1", GOOD, shard_items=3)
    worker = start(WORKER_IDLE_EXIT_S="0.5")

    assert worker.wait(60) == 0

    assert remote.output("process-1", shards) == scored(GOOD)
    assert storage.queue.depth(QueueName.SHARDS_NORMAL) == 0
    seen = actions(tmp_path)
    assert seen.index("started") < seen.index("ready") < seen.index("scored") < seen.index("leaving")


def test_sigterm_gives_the_message_back_and_exits_with_143(remote, start, wait_until, tmp_path, storage):
    remote.start("process-2", GOOD + item(Misbehaviour.HELD), shard_items=13)
    worker = start()
    wait_until((tmp_path / "let-go.held").exists, within_s=60)

    worker.send_signal(signal.SIGTERM)

    assert worker.wait(20) == 143
    (message,) = storage.queue.receive(QueueName.SHARDS_NORMAL, count=1, lease_s=1)
    assert storage.queue.delete(message)


def test_a_killed_workers_shard_is_finished_by_another_with_the_same_bytes(
    remote, start, wait_until, tmp_path, storage
):
    data = GOOD + item(Misbehaviour.HELD)
    remote.start("process-3", data, shard_items=13, policy=RunPolicy(lease_s=2))
    first = start("w1")
    wait_until((tmp_path / "let-go.held").exists, within_s=60)
    first.kill()
    (tmp_path / "let-go").touch()
    start("w2")

    wait_until(lambda: remote.verdict("process-3", 0), within_s=60)

    verdict = remote.verdict("process-3", 0)
    assert verdict.attempt == 2
    assert remote.output("process-3", 1) == scored(data)
