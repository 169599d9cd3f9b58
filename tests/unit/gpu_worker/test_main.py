"""The worker as a process: its settings and exit codes."""

import os
import subprocess
import sys


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
