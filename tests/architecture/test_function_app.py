"""What the Function app really imports, how fast, and that its names are those of the contracts."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from source import ROOT

from activities.catalogue import Catalogue
from activities.ports import Ports
from activities.registered import activities
from dropscore.api.app import open_operations
from dropscore.api.operations import BASE
from dropscore.cloud.memory import memory_cloud
from dropscore.cloud.settings import SWEEP_SCHEDULE, TaskEnvironment
from dropscore.contracts.names import ActivityName, ContainerName, OrchestratorName, QueueName

IMPORT_CPU_S = 1.0
IMPORT_MIB = 120
BUILT_IN = {"BuiltIn__HttpActivity", "BuiltIn__HttpPollOrchestrator"}
TRIGGERS = {"on_trigger", "on_trigger_poison", "on_run_event", "on_webhook", "on_sweep", "http"}
HEAVY = ("torch", "torchvision", "numpy", "av", "PIL", "safetensors", "skimage", "scipy")
LATE = ("azure.storage", "azure.batch", "azure.mgmt", "azure.identity", "dropscore.workloads.style_transfer")

PROBE = """
import json, pathlib, re, resource, sys, time
began = time.process_time()
import function_app
seconds = time.process_time() - began
status = pathlib.Path("/proc/self/status")  # getrusage would tell of the process this one was forked from, too
peak_kib = re.search(r"VmHWM:\\s+(\\d+)", status.read_text()) if status.exists() else None
functions = {
    function.get_function_name(): [json.loads(binding) for binding in function.get_raw_bindings()]
    for function in function_app.app.get_functions()
}
print(json.dumps({
    "cpu_s": seconds,
    "mib": (int(peak_kib[1]) if peak_kib else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) / 1024,
    "modules": sorted(sys.modules),
    "functions": functions,
}))
"""


def probe() -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", PROBE], cwd=ROOT, env={"PATH": "/usr/bin"}, capture_output=True, text=True, check=True
    )
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


@pytest.fixture(scope="module")
def probed() -> dict[str, Any]:
    """The Function app imported in a process of its own, without any setting."""
    return probe()


@pytest.mark.parametrize("library", HEAVY)
def test_importing_the_app_loads_no_heavy_library(probed: dict[str, Any], library: str) -> None:
    assert [name for name in probed["modules"] if name == library or name.startswith(f"{library}.")] == []


@pytest.mark.parametrize("library", LATE)
def test_clients_are_loaded_when_first_needed(probed: dict[str, Any], library: str) -> None:
    assert [name for name in probed["modules"] if name.startswith(library)] == []


def test_importing_the_app_is_quick_and_small(probed: dict[str, Any], slowness: float) -> None:
    attempts = [probed, *(probe() for _ in range(2))] if probed["cpu_s"] > IMPORT_CPU_S else [probed]
    assert min(one["cpu_s"] for one in attempts) <= IMPORT_CPU_S * slowness
    assert probed["mib"] <= IMPORT_MIB


def test_every_name_of_the_contracts_is_a_function(probed: dict[str, Any]) -> None:
    opened = {f"http_{operation.id}" for operation in open_operations()}
    assert set(probed["functions"]) == BUILT_IN | TRIGGERS | opened | set(ActivityName) | set(OrchestratorName)


def test_only_what_is_open_is_served_without_a_key(probed: dict[str, Any]) -> None:
    levels = {
        binding["route"]: binding["authLevel"].lower()
        for function in probed["functions"].values()
        for binding in function
        if binding["type"] == "httpTrigger"
    }
    assert levels == {
        "{*route}": "function",
        **{f"{BASE}{operation.path}".lstrip("/"): "anonymous" for operation in open_operations()},
    }


def test_triggers_are_bound_to_their_accounts(probed: dict[str, Any]) -> None:
    where = {"blobTrigger": "path", "queueTrigger": "queueName", "httpTrigger": "route"}
    bound = {
        (binding["type"], binding[where[binding["type"]]], binding.get("connection"))
        for function in probed["functions"].values()
        for binding in function
        if binding["type"] in where
    }
    assert bound == {
        ("blobTrigger", f"{ContainerName.TRIGGERS}/{{name}}", "DataStorage"),
        ("queueTrigger", str(QueueName.BLOB_TRIGGER_POISON), "DataStorage"),
        ("queueTrigger", str(QueueName.RUN_EVENTS), "SystemStorage"),
        ("queueTrigger", str(QueueName.WEBHOOKS), "SystemStorage"),
        ("httpTrigger", "{*route}", None),
        *(("httpTrigger", f"{BASE}{operation.path}".lstrip("/"), None) for operation in open_operations()),
    }


def test_sweep_follows_a_schedule_that_is_a_setting(probed: dict[str, Any]) -> None:
    (timer,) = [binding for binding in probed["functions"]["on_sweep"] if binding["type"] == "timerTrigger"]
    assert timer["schedule"] == "%SweepSchedule%"
    assert not timer.get("runOnStartup")
    example = json.loads(Path(ROOT / "local.settings.example.json").read_text("utf-8"))["Values"]
    assert example["SweepSchedule"] == SWEEP_SCHEDULE


def test_blob_trigger_is_told_by_event_grid(probed: dict[str, Any]) -> None:
    (trigger,) = [binding for binding in probed["functions"]["on_trigger"] if binding["type"] == "blobTrigger"]
    assert trigger["source"] == "EventGrid"


def test_connections_of_the_bindings_are_those_of_the_settings(probed: dict[str, Any]) -> None:
    account = {QueueName.BLOB_TRIGGER_POISON: "DataStorage"} | dict.fromkeys(
        (QueueName.RUN_EVENTS, QueueName.WEBHOOKS), "SystemStorage"
    )
    for queue, connection in account.items():
        assert connection.lower().startswith(queue.account.value)


def test_activities_are_methods_of_their_names() -> None:
    memory = memory_cloud()
    ports = Ports(
        cloud=memory.cloud,
        containers=memory.containers,
        pool=memory.pool,
        container_image="",
        container_environment=TaskEnvironment(plain={}, secret={}),
    )
    registered = activities(ports, Catalogue())
    assert set(registered) == set(ActivityName)
    assert [name for name, activity in registered.items() if activity.__name__ != name] == []


def test_host_settings_keep_what_the_code_relies_on() -> None:
    host = json.loads(Path(ROOT / "host.json").read_text("utf-8"))
    assert host["extensions"]["http"]["routePrefix"] == ""
    assert host["extensions"]["queues"]["messageEncoding"] == "base64"
    assert host["extensions"]["queues"]["maxDequeueCount"] == host["extensions"]["blobs"]["poisonBlobThreshold"] == 5
    assert host["extensionBundle"]["id"].endswith(".Preview")
