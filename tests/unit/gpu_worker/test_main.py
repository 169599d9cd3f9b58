"""The worker as a process: its settings and exit codes."""

import os
import subprocess
import sys

from dropscore.cloud.memory import ManualClock, memory_cloud
from dropscore.workloads.registry import workload
from gpu_worker.compose import _admission
from gpu_worker.desk import compose_desk
from gpu_worker.pieces import Pieces
from gpu_worker.run_logs import RunLogs
from gpu_worker.will import Will


def test_wrong_settings_are_told_in_a_sentence_and_exit_code_2():
    ended = subprocess.run(
        [sys.executable, "-m", "gpu_worker"],
        env={"PATH": os.environ["PATH"], "WORKER_DEVICE": "toaster"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 2
    assert "WORKER_DEVICE" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_nothing_waits_for_torch_before_the_first_lease():
    code = "import gpu_worker.main, gpu_worker.desk, sys; print('torch' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert ended.stdout.strip() == "False"


def test_the_lease_that_a_run_asks_for_is_known_to_the_next_life_from_its_beginning():
    cloud, will = memory_cloud(ManualClock()), Will()
    desk = compose_desk(cloud.blobs, cloud.queue, cloud.clock, RunLogs("w"), will=will)
    will.introduce({"worker": {"worker": "w"}})
    admission = _admission(desk, Pieces(cloud.blobs, cloud.clock), workload)
    admission._noted(120.0)
    assert desk.lanes.lease_s == 120.0
    assert will.facts == {"worker": {"worker": "w"}, "lease_s": 120.0}
    again = compose_desk(cloud.blobs, cloud.queue, cloud.clock, RunLogs("w"), lease_s=will.facts["lease_s"])
    assert again.lanes.lease_s == 120.0
