"""What azure-batch 15.1 puts on the wire, sent word for word, each in a situation where it makes sense."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from azure.batch import BatchClient
from azure.core.exceptions import HttpResponseError
from azure.core.rest import HttpRequest

pytestmark = [
    pytest.mark.shared,
    pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning"),
]

RECORDED = Path(__file__).resolve().parents[4] / "shared" / "specs" / "batch" / "recorded_requests.json"
REQUESTS: list[dict[str, Any]] = json.loads(RECORDED.read_text()) if RECORDED.exists() else []
V = "api-version=2025-06-01"
MACHINE = {"imageReference": {"publisher": "p", "offer": "o", "sku": "s"}, "nodeAgentSKUId": "n"}
CONTAINERS = {"containerConfiguration": {"type": "dockerCompatible", "containerImageNames": ["r.azurecr.io/x:1"]}}
WRITES = "sh -c 'printf 0123456789; mkdir out; echo x > \"out/a b.txt\"'"
GONE = re.compile(r"/pools/gone\?")


@pytest.fixture(scope="module")
def emulator(start_emulator):
    """One emulator; each request meets a pool and a job of its own."""
    return start_emulator("batch", "--nodes", "100", "--slots", "4", "--grace", "0.2", signed=True)


class Situation:
    """A pool, a job and a task in the state that a recorded request is about."""

    def __init__(self, client: BatchClient, number: int, wait_until) -> None:
        self._client = client
        self._number = number
        self._wait_until = wait_until

    def send(self, method: str, url: str, body: object = None, **headers: str) -> Any:
        """Send through the client's own pipeline; a refusal is returned like any other answer."""
        if body is not None:
            headers["content-type"] = "application/json; odata=minimalmetadata"
        try:
            return self._client.send_request(HttpRequest(method, url, json=body, headers=headers))
        except HttpResponseError as error:
            return error.response

    def named(self, text: str) -> str:
        """The recorded names, made unique to this request."""
        text = re.sub(r"\bgpu\b", f"gpu{self._number}", text)
        return re.sub(r"\bjob1\b", f"job{self._number}", text)

    def json(self, url: str) -> Any:
        return self.send("GET", self.named(url)).json()

    def prepare(self, request: dict[str, Any]) -> dict[str, Any]:
        """Make what the request is about. Returns the request with names, ETag, node and token that exist."""
        url = request["url"]
        if "/gpu" in url or "/job1" in url:
            self._make_pool(containers="addtaskcollection" in url)
        if "/job1" in url:
            self._make_job(url)
        text = self.named(json.dumps(request))
        if '"n1"' in text or "/n1" in text:
            self._wait_until(lambda: self._nodes() and self._nodes()[0]["state"] == "idle")
            text = re.sub(r"\bn1\b", self._nodes()[0]["id"], text)
        if "If-Match" in text:
            text = text.replace("0x1", self.json(f"/jobs/job1?{V}")["eTag"])
        if "skiptoken" in text:
            link = self.json(f"/jobs/job1/tasks?{V}&maxresults=1")["odata.nextLink"]
            text = text.replace("a%3D%3Db", link.partition("skiptoken=")[2])
        prepared: dict[str, Any] = json.loads(text)
        return prepared

    def _nodes(self) -> Any:
        return self.json(f"/pools/gpu/nodes?{V}")["value"]

    def _make_pool(self, *, containers: bool) -> None:
        machine = MACHINE | (CONTAINERS if containers else {})
        pool = {"id": "gpu", "vmSize": "s", "virtualMachineConfiguration": machine, "taskSlotsPerNode": 4}
        pool["targetDedicatedNodes"] = 1
        self._must("POST", f"/pools?{V}", pool)
        self._wait_until(lambda: self.json(f"/pools/gpu?{V}")["allocationState"] == "steady")

    def _make_job(self, url: str) -> None:
        job = {"id": "job1", "poolInfo": {"poolId": "gpu"}, "usesTaskDependencies": True}
        job["onTaskFailure"] = "performexitoptionsjobaction"
        self._must("POST", f"/jobs?{V}", job)
        if "/tasks" in url or "skiptoken" in url:
            forgiving = {"exitConditions": {"default": {"jobAction": "none"}}}
            failing = "reactivate" in url
            waiting = "/terminate" in url or url.endswith(f"tasks/t0?{V}")
            command = "false" if failing else "sleep 60" if waiting else WRITES
            for task in ("t0", "t1"):
                self._must("POST", f"/jobs/job1/tasks?{V}", {"id": task, "commandLine": command} | forgiving)
                self._wait_for_task(task, "running" if waiting else "completed")
        if "/enable" in url:
            self._must("POST", f"/jobs/job1/disable?{V}", {"disableTasks": "requeue"})
            self._wait_until(lambda: self.json(f"/jobs/job1?{V}")["state"] == "disabled")

    def _wait_for_task(self, task: str, state: str) -> None:
        self._wait_until(lambda: self.json(f"/jobs/job1/tasks/{task}?{V}")["state"] == state)

    def enable_autoscale(self) -> None:
        """Autoscale on, as evaluating and disabling it need."""
        self._must("POST", f"/pools/gpu/enableautoscale?{V}", {"autoScaleFormula": "$TargetDedicatedNodes=1;"})

    def _must(self, method: str, url: str, body: object) -> None:
        answer = self.send(method, self.named(url), json.loads(self.named(json.dumps(body))))
        assert answer.status_code < 300, answer.text()


def name_of(request: dict[str, Any]) -> str:
    return f"{request['method']} {request['url'].partition('?')[0]}"


@pytest.mark.fault(72)
@pytest.mark.parametrize("number", range(len(REQUESTS)), ids=lambda number: f"{number}-{name_of(REQUESTS[number])}")
def test_a_recorded_request_is_understood_and_answered_as_the_contract_says(
    number, emulator, batch_client, exchanges, check_spec, wait_until
):
    client = batch_client(emulator)
    situation = Situation(client, number, wait_until)
    request = situation.prepare(REQUESTS[number])
    if "evaluateautoscale" in request["url"] or "disableautoscale" in request["url"]:
        situation.enable_autoscale()
    if request["method"] == "PUT" and request["body"].get("poolInfo"):
        request["body"]["poolInfo"]["poolId"] = f"gpu{number}"  # another pool would need a disabled job
    kept = {name: value for name, value in request["headers"].items() if name in {"If-Match", "ocp-range"}}
    answer = situation.send(request["method"], request["url"], request["body"], **kept)
    if GONE.search(request["url"]):
        assert answer.status_code == 404
    else:
        assert answer.status_code < 300, answer.text()
    assert exchanges.problems(check_spec.BATCH) == []


def test_the_recorded_tasks_are_accepted_one_by_one(emulator, batch_client, wait_until):
    number = next(n for n, request in enumerate(REQUESTS) if "addtaskcollection" in request["url"])
    situation = Situation(batch_client(emulator), 1000, wait_until)
    request = situation.prepare(REQUESTS[number])
    results = situation.send("POST", request["url"], request["body"]).json()["value"]
    assert [(result["status"], result["taskId"]) for result in results] == [("success", "t0")]
