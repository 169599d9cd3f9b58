"""The worker's log of each run."""

import json
import logging
import time
from collections.abc import Iterator

import pytest

from dropscore.cloud.json_log import JsonLines
from dropscore.cloud.memory import ManualClock, MemoryBlobs
from dropscore.cloud.operations import Operation
from dropscore.contracts import layout
from dropscore.contracts.errors import TransientCloudError
from gpu_worker import run_logs
from gpu_worker.run_logs import MOST_BYTES, RunLogs

PATH = layout.log("run-1", "w1")


@pytest.fixture
def blobs() -> MemoryBlobs:
    return MemoryBlobs(ManualClock())


@pytest.fixture
def logs() -> RunLogs:
    logs = RunLogs("w1")
    logs.setFormatter(JsonLines())
    return logs


@pytest.fixture
def logger(logs: RunLogs) -> Iterator[logging.Logger]:
    logger = logging.getLogger("test_run_logs")
    logger.setLevel(logging.INFO)
    logger.addHandler(logs)
    yield logger
    logger.removeHandler(logs)


def lines(blobs: MemoryBlobs) -> list[str]:
    return [json.loads(line)["message"] for line in blobs.get(PATH).data.splitlines()]


def test_lines_that_name_a_run_are_stored_as_its_log(logs, logger, blobs):
    logger.info("one", extra={"run_id": "run-1"})
    logger.info("of no run")
    logger.info("of another", extra={"run_id": "run-2"})
    logs.store(blobs)
    assert lines(blobs) == ["one"]
    assert b"of another" in blobs.get(layout.log("run-2", "w1")).data


def test_later_lines_are_added(logs, logger, blobs):
    logger.info("one", extra={"run_id": "run-1"})
    logs.store(blobs)
    logger.info("two", extra={"run_id": "run-1"})
    logs.store(blobs, now=True)
    assert lines(blobs) == ["one", "two"]


def test_a_log_that_was_stored_a_moment_ago_waits(logs, logger, blobs, monkeypatch):
    """All of it is stored each time: after every item that fails, it would be most of what is sent."""
    monkeypatch.setattr(run_logs, "STORE_EVERY_S", 0.2)
    for number in range(20):
        logger.info("%d", number, extra={"run_id": "run-1"})
        logs.store(blobs)
    assert lines(blobs) == ["0"]
    time.sleep(0.25)
    logs.store(blobs)
    assert lines(blobs) == [str(number) for number in range(20)]


def test_nothing_is_written_without_new_lines(logs, logger, blobs):
    logger.info("one", extra={"run_id": "run-1"})
    logs.store(blobs)
    asked = blobs.operations.total()
    logs.store(blobs, now=True)
    assert blobs.operations.total() == asked


def test_what_an_earlier_life_of_this_worker_stored_stays(logs, logger, blobs):
    blobs.put(PATH, b'{"message": "before"}\n')
    logger.info("after", extra={"run_id": "run-1"})
    logs.store(blobs)
    assert lines(blobs) == ["before", "after"]


def test_a_long_log_loses_whole_lines_from_its_beginning(logs, logger, blobs):
    for number in range(30):
        logger.info("%d %s", number, "x" * (MOST_BYTES // 20), extra={"run_id": "run-1"})
    logs.store(blobs)
    assert blobs.get(PATH).data[-1:] == b"\n"
    assert len(blobs.get(PATH).data) <= MOST_BYTES
    assert lines(blobs)[-1].startswith("29 ")


def test_a_log_that_could_not_be_stored_is_stored_later(logs, logger, blobs):
    logger.info("one", extra={"run_id": "run-1"})

    def busy(operation: Operation) -> None:
        raise TransientCloudError("busy")

    blobs.operations.interrupt = busy
    logs.store(blobs)
    blobs.operations.interrupt = None
    logs.store(blobs, now=True)
    assert lines(blobs) == ["one"]
