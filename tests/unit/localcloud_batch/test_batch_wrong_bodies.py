"""No body makes the emulator fail: whatever is sent is accepted, refused with a code, or not implemented."""

import copy
import json
from random import Random

import pytest

NUMBERS = [True, 0, -1, 10**30, 1.5, 1e308]
TEXTS = ["", "x", "PT5M", "-P1D", "\u0000", "\ud800", "é" * 2000, "2025-01-01T00:00:00Z", "http://[", "../..", "x=1;"]
VALUES = [None, *NUMBERS, *TEXTS, [], {}, [None], [{}], {"a": {}}, [[[]]]]
POOL = {
    "id": "p",
    "vmSize": "s",
    "virtualMachineConfiguration": {"imageReference": {}, "containerConfiguration": {"type": "dockerCompatible"}},
    "targetDedicatedNodes": 0,
    "resizeTimeout": "PT5M",
    "startTask": {"commandLine": "true", "waitForSuccess": True, "resourceFiles": [{"httpUrl": "u", "filePath": "f"}]},
    "taskSchedulingPolicy": {"nodeFillType": "pack"},
    "metadata": [{"name": "k", "value": "v"}],
}
JOB = {
    "id": "j",
    "poolInfo": {"poolId": "p"},
    "priority": 1,
    "constraints": {"maxWallClockTime": "PT1H"},
    "metadata": [],
}
TASK = {
    "id": "t",
    "commandLine": "true",
    "constraints": {"maxWallClockTime": "PT1M", "retentionTime": "PT1M", "maxTaskRetryCount": 1},
    "exitConditions": {"exitCodes": [{"code": 1, "exitOptions": {"dependencyAction": "block"}}], "default": {}},
    "dependsOn": {"taskIds": ["a"], "taskIdRanges": [{"start": 1, "end": 2}]},
    "environmentSettings": [{"name": "A", "value": "b"}],
    "outputFiles": [{"filePattern": "*", "destination": {}, "uploadOptions": {"uploadCondition": "tasksuccess"}}],
    "affinityInfo": {"affinityId": "n"},
    "requiredSlots": 1,
}
REQUESTS = [
    ("POST", "/pools", POOL),
    ("PATCH", "/pools/pool", {"metadata": [], "taskSlotsPerNode": 2, "startTask": {"commandLine": "x"}}),
    ("POST", "/pools/pool/updateproperties", {"applicationPackageReferences": [], "metadata": []}),
    ("POST", "/pools/pool/resize", {"targetDedicatedNodes": 0, "resizeTimeout": "PT5M"}),
    ("POST", "/pools/pool/removenodes", {"nodeList": ["n"], "nodeDeallocationOption": "requeue"}),
    ("POST", "/pools/pool/enableautoscale", {"autoScaleFormula": "x=1;", "autoScaleEvaluationInterval": "PT5M"}),
    ("POST", "/pools/pool/evaluateautoscale", {"autoScaleFormula": "x=1;"}),
    ("POST", "/jobs", JOB),
    ("PATCH", "/jobs/job", {"priority": 1, "onAllTasksComplete": "noaction", "constraints": {}}),
    ("PUT", "/jobs/job", {"poolInfo": {"poolId": "pool"}, "metadata": []}),
    ("POST", "/jobs/job/disable", {"disableTasks": "requeue"}),
    ("POST", "/jobs/job/tasks", TASK),
    ("POST", "/jobs/job/addtaskcollection", {"value": [TASK]}),
    ("PUT", "/jobs/job/tasks/task", {"constraints": {"maxTaskRetryCount": 1}}),
    ("PUT", "/_emulator/capacity", {"nodes": 1, "lowPriorityNodes": None, "bootSeconds": 0}),
    ("PUT", "/_emulator/faults", {"seed": 1, "rules": [{"on": "task_started", "do": "kill", "after_s": [0, 1]}]}),
]


def spoil(value, random: Random):
    """The value with one part of it replaced, removed or added."""
    value = copy.deepcopy(value)
    part = value
    while isinstance(part, dict | list) and part:
        key = random.choice(list(part)) if isinstance(part, dict) else random.randrange(len(part))
        if random.random() < 0.4 or not isinstance(part[key], dict | list) or not part[key]:
            break
        part = part[key]
    if not part or not isinstance(part, dict | list):
        return random.choice(VALUES)
    how = random.random()
    if how < 0.7:
        part[key] = random.choice(VALUES)
    elif how < 0.85:
        del part[key]
    elif isinstance(part, dict):
        part[random.choice(["extra", "", "id", "é"])] = random.choice(VALUES)
    return value


@pytest.mark.parametrize("seed", range(3))
def test_a_spoiled_body_is_refused_with_a_code_and_never_a_failure(run_batch, seed):
    async def scenario(batch):
        random = Random(seed)
        await batch.make_pool(nodes=0)
        await batch.make_job(usesTaskDependencies=True)
        await batch.add("task", "true")
        found = []
        for _ in range(400):
            method, path, body = random.choice(REQUESTS)
            spoiled = spoil(body, random)
            answer = await batch.http.request(method, f"{path}?api-version=2025-06-01", content=json.dumps(spoiled))
            found.append((answer.status_code, method, path, spoiled, answer.text))
        lists = [await batch.get(path) for path in ("/pools", "/jobs?$expand=stats", "/jobs/job/tasks", "/nodecounts")]
        return found, lists

    found, _ = run_batch(scenario)
    assert [item for item in found if item[0] == 500] == []
    assert {item[0] for item in found} <= {200, 201, 202, 204, 400, 404, 409, 413, 501}
    assert sum(item[0] == 400 for item in found) > 100
