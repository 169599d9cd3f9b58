"""The peers' side, run by their own Python: the task, and what sends it. Knows nothing of this product.

`celery -A peer_app.celery_app worker` and `dramatiq peer_app` load it; `python -m peer_app` sends the items.
"""

import json
import os
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

SYSTEM, BROKER = os.environ["PEER_SYSTEM"], os.environ["PEER_BROKER"]
TUNED = os.environ["PEER_TUNED"] == "1"
NOTES = Path(os.environ["PEER_NOTES"])
LEASE_S = 4


def note(event: str, item: int) -> None:
    """Write one line, at once."""
    line = json.dumps({"at": time.time(), "item": item, "event": event}) + "\n"
    file = os.open(NOTES / f"{os.getpid()}.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(file, line.encode())
    os.close(file)


def score(item: int, seconds: float) -> None:
    """One item."""
    note("begun", item)
    time.sleep(seconds)
    note("done", item)


def _celery() -> Any:
    app = import_module("celery").Celery("peers", broker=BROKER)
    if TUNED:
        app.conf.update(
            task_acks_late=True,
            task_reject_on_worker_lost=True,
            worker_prefetch_multiplier=1,
            broker_transport_options={"visibility_timeout": LEASE_S},
        )
    return app


def _dramatiq() -> Any:
    broker_type = import_module("dramatiq.brokers.redis").RedisBroker
    tuned = {"heartbeat_timeout": LEASE_S * 1000, "maintenance_chance": 1_000_000} if TUNED else {}
    broker = broker_type(url=BROKER, **tuned)
    import_module("dramatiq").set_broker(broker)
    return broker


if SYSTEM == "celery":
    celery_app = _celery()
    send = celery_app.task(name="score")(score).delay
else:
    broker = _dramatiq()
    send = import_module("dramatiq").actor(score, max_retries=20, min_backoff=100).send


if __name__ == "__main__":
    for number, work_s in enumerate(json.loads(sys.stdin.read())):
        send(number, work_s)
