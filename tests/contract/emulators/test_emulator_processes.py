"""The emulators as processes: quick to start, idle for nothing, gone without a trace, whole again after a kill."""

import http.client
import json
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import psutil
import pytest

GROUPS = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerInstance/containerGroups"
POOL = {
    "id": "pool",
    "vmSize": "s",
    "virtualMachineConfiguration": {"imageReference": {}, "nodeAgentSKUId": "n"},
    "enableAutoScale": True,
    "autoScaleFormula": "$TargetDedicatedNodes = max($PendingTasks.GetSample(1));",
}
GROUP = {
    "properties": {
        "osType": "Linux",
        "restartPolicy": "Never",
        "containers": [
            {
                "name": "c",
                "properties": {
                    "image": "x",
                    "command": ["sh", "-c", "sleep 60 & wait"],
                    "resources": {"requests": {"cpu": 1, "memoryInGB": 1}},
                },
            }
        ],
    }
}


def call(emulator, method: str, path: str, body: object = None, *, version: str) -> Any:
    """A request without signature, as an emulator without key takes it."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"content-type": "application/json", "authorization": "Bearer token"}
    separator = "&" if "?" in path else "?"
    url = f"{emulator.url}{path}{separator}api-version={version}"
    with urllib.request.urlopen(urllib.request.Request(url, data=data, method=method, headers=headers)) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def batch(emulator, method: str, path: str, body: object = None) -> Any:
    return call(emulator, method, path, body, version="2025-06-01")


def containers(emulator, method: str, path: str = "", body: object = None) -> Any:
    return call(emulator, method, f"{GROUPS}{path}", body, version="2023-05-01")


def marked(state: Path) -> list[psutil.Process]:
    """The living programs of the emulator with this state folder."""
    found = []
    for process in psutil.process_iter():
        try:
            mark = process.environ().get("LOCALCLOUD_OWNER")
            if mark == str(state.resolve()) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def with_task(start_emulator, wait_until, **where: Any):
    """A Batch emulator with a task whose shell has a child."""
    emulator = start_emulator("batch", "--grace", "0.5", **where)
    batch(emulator, "POST", "/pools", POOL)
    batch(emulator, "POST", "/jobs", {"id": "job", "poolInfo": {"poolId": "pool"}})
    batch(emulator, "POST", "/jobs/job/tasks", {"id": "t", "commandLine": "sh -c 'sleep 60 & wait'"})
    wait_until(lambda: len(marked(emulator.state)) == 2)
    return emulator


@pytest.mark.parametrize("name", ["batch", "containers"])
def test_a_killed_emulator_leaves_no_process_and_its_folder_is_free_again(start_emulator, wait_until, name):
    emulator = with_task(start_emulator, wait_until) if name == "batch" else start_emulator(name)
    if name == "containers":
        containers(emulator, "PUT", "/g", GROUP)
        wait_until(lambda: len(marked(emulator.state)) == 2)
    family = psutil.Process(emulator.process.pid).children(recursive=True)
    emulator.kill()
    wait_until(lambda: not marked(emulator.state))
    wait_until(lambda: not any(process.is_running() for process in family))


def test_after_a_kill_the_task_that_ran_runs_again_uncounted(start_emulator, wait_until):
    emulator = with_task(start_emulator, wait_until)
    emulator.kill()
    again = start_emulator("batch", "--grace", "0.5", state=emulator.state)
    wait_until(lambda: batch(again, "GET", "/jobs/job/tasks/t")["state"] == "running")
    wait_until(lambda: len(marked(emulator.state)) == 2)
    execution = batch(again, "GET", "/jobs/job/tasks/t")["executionInfo"]
    assert (execution["retryCount"], execution["requeueCount"]) == (0, 0)


def test_after_a_kill_a_container_is_shown_killed_and_its_group_failed(start_emulator, wait_until):
    emulator = start_emulator("containers")
    containers(emulator, "PUT", "/g", GROUP)
    wait_until(lambda: len(marked(emulator.state)) == 2)
    emulator.kill()
    again = start_emulator("containers", state=emulator.state)
    group = containers(again, "GET", "/g")["properties"]
    current = group["containers"][0]["properties"]["instanceView"]["currentState"]
    assert group["instanceView"]["state"] == "Failed"
    assert (current["state"], current["exitCode"]) == ("Terminated", 137)


def test_sigterm_ends_programs_politely_and_leaves_nothing(start_emulator, wait_until):
    emulator = start_emulator("batch", "--grace", "10")
    batch(emulator, "POST", "/pools", POOL)
    batch(emulator, "POST", "/jobs", {"id": "job", "poolInfo": {"poolId": "pool"}})
    script = (
        f"trap 'echo bye > {emulator.state}/heard; exit' TERM; touch {emulator.state}/up; while :; do sleep 0.01; done"
    )
    batch(emulator, "POST", "/jobs/job/tasks", {"id": "t", "commandLine": f'sh -c "{script}"'})
    wait_until((emulator.state / "up").exists)
    family = psutil.Process(emulator.process.pid).children(recursive=True)
    emulator.stop()
    assert (emulator.state / "heard").read_text() == "bye\n"
    assert not any(process.is_running() for process in family)
    assert marked(emulator.state) == []


@pytest.mark.parametrize("name", ["batch", "containers"])
def test_a_second_emulator_on_the_same_folder_does_not_start(start_emulator, name):
    emulator = start_emulator(name)
    command = [sys.executable, "-m", f"localcloud.{name}", "--state", str(emulator.state)]
    second = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert second.returncode == 2
    assert "in use" in second.stderr


@pytest.mark.parametrize(
    "options", [("--key", "not base64!"), ("--slots", "0"), ("--env-file", "/nowhere"), ("--autoscale-interval", "0")]
)
def test_settings_that_make_no_sense_are_told_at_the_start(tmp_path, options):
    command = [sys.executable, "-m", "localcloud.batch", "--state", str(tmp_path), *options]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert refused.returncode == 2
    assert "Traceback" not in refused.stderr


def test_tasks_get_the_environment_file(start_emulator, wait_until, tmp_path):
    (tmp_path / "env").write_text("WORKER_DEVICE=cpu\n")
    emulator = start_emulator("batch", "--env-file", str(tmp_path / "env"))
    batch(emulator, "POST", "/pools", POOL)
    batch(emulator, "POST", "/jobs", {"id": "job", "poolInfo": {"poolId": "pool"}})
    command = f"sh -c 'echo $WORKER_DEVICE > {tmp_path}/seen'"
    batch(emulator, "POST", "/jobs/job/tasks", {"id": "t", "commandLine": command})
    wait_until(lambda: (tmp_path / "seen").exists() and (tmp_path / "seen").read_text() == "cpu\n")


@pytest.mark.parametrize("name", ["batch", "containers"])
def test_an_idle_emulator_costs_next_to_no_processor_time(start_emulator, wait_until, name):
    """Also with a pool whose formula is evaluated every second: below 3 % of one core, keeper included."""
    emulator = start_emulator(name)
    if name == "batch":
        batch(emulator, "POST", "/pools", POOL)
    family = [psutil.Process(emulator.process.pid), *psutil.Process(emulator.process.pid).children()]
    before, began = used(family), time.monotonic()
    wait_until(lambda: time.monotonic() - began > 2, every_s=0.5)
    share = (used(family) - before) / (time.monotonic() - began)
    assert share < 0.03


def used(family: list[psutil.Process]) -> float:
    """Processor seconds that processes have used."""
    return sum(sum(process.cpu_times()[:2]) for process in family)


def test_an_emulator_answers_soon_after_its_start(start_emulator):
    """Start-up takes about half a second of processor time; wall time depends on what else runs here."""
    for name in ("batch", "containers"):
        emulator = start_emulator(name)
        assert used([psutil.Process(emulator.process.pid)]) < 1.5


@pytest.mark.parametrize("name", ["batch", "containers"])
def test_answers_on_a_connection_that_is_kept_do_not_wait_for_acknowledgements(start_emulator, name):
    """With Nagle's algorithm on, each would take 40 ms and more."""
    connection = http.client.HTTPConnection(start_emulator(name).url.removeprefix("http://"))
    times = []
    for _ in range(21):
        began = time.perf_counter()
        connection.request("GET", "/healthz")
        connection.getresponse().read()
        times.append(time.perf_counter() - began)
    connection.close()
    assert sorted(times)[10] < 0.03
