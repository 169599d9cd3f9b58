"""After a restart nothing is lost; and the fault script does what it says, where it says."""

import asyncio
from itertools import pairwise
from random import Random

import pytest


def test_what_ran_before_a_restart_runs_again_uncounted(run_batch):
    async def before(batch):
        await batch.make_pool(taskSlotsPerNode=2)
        await batch.make_job()
        await batch.add("t", "sh -c 'echo x >> $AZ_BATCH_NODE_SHARED_DIR/tries; sleep 60'")
        await batch.add("done", "true")
        await batch.task_in("completed", "done")
        await batch.task_in("running", "t")
        return (await batch.nodes())[0]["id"]

    async def after(batch):
        task = await batch.task_in("running", "t")
        return task, (await batch.nodes())[0]["id"], await batch.file("done", "stdout.txt"), await batch.task("done")

    node = run_batch(before)
    task, same, text, done = run_batch(after)
    assert task["executionInfo"]["retryCount"] == task["executionInfo"]["requeueCount"] == 0
    assert same == node
    assert text == ""
    assert done["executionInfo"]["result"] == "success"


def test_a_job_that_was_ending_at_a_restart_ends(run_batch):
    async def before(batch):
        await batch.make_pool(taskSlotsPerNode=2)
        for name in ("ending", "going"):
            await batch.make_job(name)
            await batch.add("t", "sh -c 'trap \"\" TERM; while :; do sleep 0.01; done'", job=name)
            await batch.task_in("running", "t", name)
        await batch.post("/jobs/ending/terminate", {"terminateReason": "r"})
        await batch.call("DELETE", "/jobs/going")

    async def after(batch):
        job = await batch.job_in("completed", "ending")
        await batch.call("GET", "/jobs/going", status=404)
        return job, await batch.task("t", "ending")

    run_batch(before)
    job, task = run_batch(after)
    assert job["executionInfo"]["terminateReason"] == "r"
    assert task["executionInfo"]["failureInfo"]["code"] == "TaskEnded"


def test_an_evicted_node_is_still_evicted_after_a_restart(run_batch):
    async def before(batch):
        await batch.make_pool(nodes=0, spot=1)
        await batch.pool_steady()
        node = (await batch.nodes())[0]["id"]
        await batch.post(f"/_emulator/pools/pool/nodes/{node}/evict")

    async def after(batch):
        return [node["state"] for node in await batch.nodes()]

    run_batch(before)
    assert run_batch(after) == ["preempted"]


async def script(batch, *rules, seed=1):
    await batch.call("PUT", "/_emulator/faults", {"seed": seed, "rules": list(rules)})


def test_a_scripted_kill_ends_a_program_and_counts_as_its_failure(run_batch):
    async def scenario(batch):
        await script(batch, {"on": "task_started", "do": "kill", "match": "t"})
        await batch.make_pool()
        await batch.make_job()
        await batch.add("t", "sleep 0.2", constraints={"maxTaskRetryCount": 1})
        return await batch.task_in("completed", "t")

    execution = run_batch(scenario)["executionInfo"]
    assert (execution["result"], execution["retryCount"]) == ("success", 1)


def test_a_scripted_eviction_takes_the_node_and_gives_it_back(run_batch):
    async def scenario(batch):
        rule = {"on": "task_started", "do": "evict", "after_s": [0.01, 0.02], "return_after_s": 0}
        await script(batch, rule)
        await batch.make_pool()
        await batch.make_job()
        await batch.add("t", "sleep 0.3")
        task = await batch.task_in("completed", "t")
        return task, await batch.ledger("node"), await batch.ledger("task", "t")

    task, nodes, events = run_batch(scenario)
    assert task["executionInfo"]["retryCount"] == 0
    assert "preempted" in nodes
    assert events == ["created", "started", "requeued", "started", "completed"]


def test_a_scripted_refusal_leaves_a_pool_short_until_it_is_resized_again(run_batch):
    async def scenario(batch):
        await script(batch, {"on": "node_allocating", "do": "fail", "code": "AllocationFailed"})
        await batch.make_pool(nodes=2)
        short = await batch.pool_steady()
        await batch.post("/pools/pool/resize", {"targetDedicatedNodes": 2})
        return short, await batch.pool_steady()

    short, whole = run_batch(scenario)
    assert short["resizeErrors"][0]["code"] == "AllocationFailed"
    assert (short["currentDedicatedNodes"], whole["currentDedicatedNodes"]) == (0, 2)
    assert "resizeErrors" not in whole


@pytest.mark.fault(34)
def test_an_unusable_node_gives_its_task_back_and_takes_none(run_batch):
    async def scenario(batch):
        await script(batch, {"on": "task_started", "do": "unusable"})
        await batch.make_pool()
        await batch.make_job()
        await batch.add("t", "sleep 60")

        async def unusable():
            nodes = await batch.nodes()
            return nodes and nodes[0]["state"] == "unusable"

        await batch.until(unusable)
        return await batch.task_in("active", "t"), (await batch.nodes())[0]["errors"]

    task, errors = run_batch(scenario)
    assert task["executionInfo"]["requeueCount"] == 0
    assert errors[0]["code"] == "NodeUnusable"


@pytest.mark.parametrize(("kind", "exists"), [("answer", False), ("lose_answer", True)])
def test_a_scripted_answer_is_given_instead_of_or_after_the_deed(run_batch, kind, exists):
    async def scenario(batch):
        rule = {"on": "request", "match": "POST /jobs*", "do": kind, "status": 503, "retry_after_s": 2}
        await script(batch, rule)
        answer = await batch.http.post("/jobs?api-version=2025-06-01", json={"id": "j", "poolInfo": {"poolId": "p"}})
        found = await batch.http.get("/jobs/j?api-version=2025-06-01")
        return answer, found.status_code

    answer, found = run_batch(scenario)
    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "ServerBusy", "2")
    assert found == (200 if exists else 404)


def test_a_wrong_script_is_refused_and_the_old_one_stays(run_batch):
    async def scenario(batch):
        await script(batch, {"on": "request", "do": "delay"}, seed=5)
        await batch.call("PUT", "/_emulator/faults", {"rules": [{"on": "x"}]}, status=400)
        return await batch.get("/_emulator/faults")

    assert run_batch(scenario)["seed"] == 5


def test_the_ledger_tells_a_nodes_life_and_can_be_read_from_any_line_on(run_batch):
    async def scenario(batch):
        await batch.make_pool()
        await batch.pool_steady()
        await batch.post("/pools/pool/resize", {"targetDedicatedNodes": 0})
        await batch.pool_steady()
        whole = (await batch.get("/_emulator/ledger"))["value"]
        return whole, (await batch.get(f"/_emulator/ledger?since={len(whole) - 1}"))["value"]

    whole, last = run_batch(scenario)
    life = [line["event"] for line in whole if line["kind"] == "node"]
    assert life == ["creating", "starting", "idle", "remove asked", "removed"]
    assert [line["n"] for line in whole] == list(range(1, len(whole) + 1))
    assert last == whole[-1:]


async def disturb(batch, random: Random) -> None:
    """One thing that users or the cloud do to a pool, its nodes or its job."""
    nodes = await batch.nodes()
    node = random.choice(nodes)["id"] if nodes else None
    resize = {"targetDedicatedNodes": random.randint(0, 2), "targetLowPriorityNodes": random.randint(0, 2)}
    requests = [
        (
            "POST",
            "/pools/pool/resize",
            resize | {"nodeDeallocationOption": random.choice(["requeue", "taskcompletion"])},
        ),
        ("POST", "/pools/pool/stopresize", None),
        ("POST", "/jobs/job/disable", {"disableTasks": random.choice(["requeue", "wait"])}),
        ("POST", "/jobs/job/enable", None),
        ("PUT", "/_emulator/capacity", {"nodes": random.randint(1, 4)}),
    ]
    if node:
        back = random.choice([None, 0, 0.05])
        requests += [
            ("POST", f"/_emulator/pools/pool/nodes/{node}/evict", {"returnAfterSeconds": back}),
            ("POST", f"/pools/pool/nodes/{node}/reboot", {"nodeRebootOption": "requeue"}),
            ("POST", f"/pools/pool/nodes/{node}/reimage", {"nodeReimageOption": "taskcompletion"}),
            ("POST", f"/pools/pool/nodes/{node}/disablescheduling", {"nodeDisableSchedulingOption": "requeue"}),
            ("POST", f"/pools/pool/nodes/{node}/enablescheduling", None),
            ("POST", "/pools/pool/removenodes", {"nodeList": [node]}),
        ]
    method, path, body = random.choice(requests)
    answer = await batch.http.request(method, f"{path}?api-version=2025-06-01", json=body)
    assert answer.status_code < 500, answer.text


@pytest.mark.parametrize("seed", [1, 2, 3, 26, 51])
def test_whatever_happens_to_its_pool_every_task_ends_well_once_there_is_quiet(run_batch, seed):
    async def scenario(batch):
        random = Random(seed)
        await batch.make_pool(nodes=2, spot=1, taskSlotsPerNode=2)
        await batch.make_job()
        for number in range(12):
            await batch.add(f"t{number}", f"sleep {random.uniform(0, 0.2):.2f}")
        for _ in range(40):
            await disturb(batch, random)
            await asyncio.sleep(random.uniform(0, 0.05))
        await batch.call("PUT", "/_emulator/capacity", {"nodes": 4})
        await batch.http.post("/jobs/job/enable?api-version=2025-06-01")
        await batch.pool_steady()
        for node in await batch.nodes():
            await batch.http.post(f"/pools/pool/nodes/{node['id']}/enablescheduling?api-version=2025-06-01")
        await batch.post("/pools/pool/resize", {"targetDedicatedNodes": 2, "targetLowPriorityNodes": 2})
        ended = [await batch.task_in("completed", f"t{number}") for number in range(12)]
        await batch.until(lambda: no_attempts(batch))
        lines = [line for line in (await batch.get("/_emulator/ledger"))["value"] if line["kind"] == "task"]
        return ended, lines

    ended, lines = run_batch(scenario, nodes=4)
    assert {task["executionInfo"]["result"] for task in ended} == {"success"}
    assert all(task["executionInfo"]["retryCount"] == 0 for task in ended)
    for number in range(12):
        life = [line["event"] for line in lines if line["id"] == f"t{number}"]
        assert (life[0], life[-1], life.count("completed")) == ("created", "completed", 1)
        assert ("started", "started") not in set(pairwise(life))


async def no_attempts(batch):
    return not batch.engine.attempts.of_job("job")
