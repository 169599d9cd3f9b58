"""What becomes of pools and nodes: allocation, quotas, resizes, autoscale, start tasks, evictions."""

import pytest

ONE_PER_TASK = "$TargetDedicatedNodes = max($PendingTasks.GetSample(1)); $NodeDeallocationOption = taskcompletion;"
SCALED = {"enableAutoScale": True, "autoScaleFormula": ONE_PER_TASK}


async def scaled_pool(batch, **more):
    pool = {
        "id": "pool",
        "vmSize": "local",
        "virtualMachineConfiguration": {"imageReference": {}, "nodeAgentSKUId": "n"},
    }
    await batch.post("/pools", pool | SCALED | more)


async def node_count(batch, count):
    async def there():
        return len(await batch.nodes()) == count

    await batch.until(there)


def test_a_pool_gets_the_nodes_it_asks_for(run_batch):
    async def scenario(batch):
        await batch.make_pool(nodes=1, spot=1)
        pool = await batch.pool_steady()
        nodes = await batch.until(lambda: all_idle(batch, 2))
        return pool, nodes, await batch.get("/nodecounts")

    pool, nodes, counts = run_batch(scenario)
    assert (pool["currentDedicatedNodes"], pool["currentLowPriorityNodes"]) == (1, 1)
    assert "resizeErrors" not in pool
    assert sorted(node["isDedicated"] for node in nodes) == [False, True]
    assert counts["value"][0]["dedicated"]["idle"] == counts["value"][0]["lowPriority"]["total"] == 1


async def all_idle(batch, count):
    nodes = await batch.nodes()
    return nodes if len(nodes) == count and all(node["state"] == "idle" for node in nodes) else None


def test_a_pool_over_the_quota_gets_what_there_is_and_says_so(run_batch):
    async def scenario(batch):
        await batch.make_pool(nodes=5)
        return await batch.pool_steady()

    pool = run_batch(scenario, nodes=2)
    assert (pool["targetDedicatedNodes"], pool["currentDedicatedNodes"]) == (5, 2)
    assert pool["resizeErrors"][0]["code"] == "AccountCoreQuotaReached"


def test_the_quota_of_low_priority_nodes_is_its_own(run_batch):
    async def scenario(batch):
        await batch.call("PUT", "/_emulator/capacity", {"nodes": 4, "lowPriorityNodes": 1})
        await batch.make_pool(nodes=2, spot=2)
        return await batch.pool_steady(), await batch.get("/_emulator/capacity")

    pool, capacity = run_batch(scenario)
    assert (pool["currentDedicatedNodes"], pool["currentLowPriorityNodes"]) == (2, 1)
    assert pool["resizeErrors"][0]["code"] == "AccountSpotCoreQuotaReached"
    assert capacity == {"nodes": 4, "lowPriorityNodes": 1, "bootSeconds": 0.0}


def test_a_resize_to_less_requeues_terminates_or_waits_as_asked(run_batch):
    async def shrink(batch, option):
        await batch.add(option, "sh -c 'until test -e ../../go; do sleep 0.01; done'")
        await batch.task_in("running", option)
        await batch.post(
            "/pools/pool/resize", {"targetDedicatedNodes": 0, "nodeDeallocationOption": option}, status=202
        )
        if option == "taskcompletion":
            busy = await batch.post("/pools/pool/resize", {"targetDedicatedNodes": 1}, status=409)
            node = (await batch.nodes())[0]
            assert (busy["code"], node["state"]) == ("PoolBeingResized", "running")
            await batch.tell(node["id"], option, "go")
        await batch.pool_steady()
        await node_count(batch, 0)
        task = await batch.task(option)
        await batch.call("DELETE", f"/jobs/job/tasks/{option}")
        await batch.post("/pools/pool/resize", {"targetDedicatedNodes": 1})
        await batch.pool_steady()
        return task

    async def scenario(batch):
        await batch.make_pool()
        await batch.make_job()
        return [await shrink(batch, option) for option in ("requeue", "terminate", "taskcompletion")]

    requeued, terminated, completed = run_batch(scenario)
    assert (requeued["state"], requeued["executionInfo"]["requeueCount"]) == ("active", 1)
    assert terminated["executionInfo"]["failureInfo"]["code"] == "TaskEnded"
    assert completed["executionInfo"]["result"] == "success"


def test_a_stopped_resize_keeps_what_is_there_and_forgets_the_rest(run_batch):
    async def scenario(batch):
        await batch.make_pool(nodes=1)
        await batch.pool_steady()
        await batch.until(lambda: all_idle(batch, 1))
        await batch.call("PUT", "/_emulator/capacity", {"bootSeconds": 60})
        await batch.post("/pools/pool/resize", {"targetDedicatedNodes": 2})
        await node_count(batch, 2)
        await batch.post("/pools/pool/stopresize", status=202)
        pool = await batch.pool_steady()
        await node_count(batch, 1)
        return pool

    pool = run_batch(scenario)
    assert pool["targetDedicatedNodes"] == 1
    assert pool["resizeErrors"][0]["code"] == "ResizeStopped"


def test_removed_nodes_leave_and_lower_the_target(run_batch):
    async def scenario(batch):
        await batch.make_pool(nodes=2)
        await batch.pool_steady()
        nodes = await batch.until(lambda: all_idle(batch, 2))
        unknown = await batch.post("/pools/pool/removenodes", {"nodeList": ["nope"]}, status=404)
        await batch.post("/pools/pool/removenodes", {"nodeList": [nodes[0]["id"]]}, status=202)
        await node_count(batch, 1)
        return unknown, await batch.pool_steady(), await batch.nodes(), nodes[1]["id"]

    unknown, pool, left, kept = run_batch(scenario)
    assert unknown["code"] == "NodeNotFound"
    assert pool["targetDedicatedNodes"] == 1
    assert [node["id"] for node in left] == [kept]


def test_a_deleted_pool_requeues_its_tasks_and_goes(run_batch):
    async def scenario(batch):
        await batch.make_pool()
        await batch.make_job()
        await batch.add("t", "sleep 60")
        await batch.task_in("running", "t")
        await batch.call("DELETE", "/pools/pool", status=202)
        again = await batch.call("DELETE", "/pools/pool", status=409)

        async def gone():
            return (await batch.http.head("/pools/pool?api-version=2025-06-01")).status_code == 404

        await batch.until(gone)
        return again, await batch.task("t"), list((batch.engine.context.settings.state / "nodes" / "pool").glob("*"))

    again, task, left = run_batch(scenario)
    assert again["code"] == "PoolBeingDeleted"
    assert (task["state"], task["executionInfo"]["requeueCount"]) == ("active", 1)
    assert left == []


def test_a_formula_takes_a_pool_from_nothing_to_work_and_back(run_batch):
    async def scenario(batch):
        await scaled_pool(batch)
        await batch.make_job()
        before = await batch.nodes()
        for name in ("a", "b"):
            await batch.add(name, "true")
        ended = [await batch.task_in("completed", name) for name in ("a", "b")]
        await node_count(batch, 0)
        return before, ended, await batch.pool_steady(), await batch.ledger("node")

    before, ended, pool, ledger = run_batch(scenario)
    assert before == []
    assert all(task["executionInfo"]["requeueCount"] == 0 for task in ended)
    assert pool["targetDedicatedNodes"] == 0
    assert pool["autoScaleRun"]["results"].startswith("$TargetDedicatedNodes=0;")
    assert pool["autoScaleEvaluationInterval"] == "PT15M"
    assert ledger.count("creating") == ledger.count("removed") >= 1


def test_a_node_that_waits_for_its_tasks_is_kept_when_it_is_wanted_again(run_batch):
    async def scenario(batch):
        await batch.make_pool()
        await batch.make_job()
        await batch.add("t", "sleep 60")
        await batch.task_in("running", "t")
        formula = {"autoScaleFormula": "$TargetDedicatedNodes = 0; $NodeDeallocationOption = taskcompletion;"}
        await batch.post("/pools/pool/enableautoscale", formula)

        async def resizing():
            return (await batch.get("/pools/pool"))["allocationState"] == "resizing"

        await batch.until(resizing)
        await batch.post("/pools/pool/enableautoscale", {"autoScaleFormula": "$TargetDedicatedNodes = 1;"})
        await batch.pool_steady()
        return await batch.nodes(), await batch.ledger("node"), await batch.task("t")

    nodes, ledger, task = run_batch(scenario)
    assert [node["state"] for node in nodes] == ["running"]
    assert "recalled" in ledger
    assert ledger.count("creating") == 1
    assert task["state"] == "running"


def test_a_formula_is_evaluated_on_request_without_changing_the_pool(run_batch):
    async def scenario(batch):
        await batch.make_pool(nodes=0)
        off = await batch.post("/pools/pool/evaluateautoscale", {"autoScaleFormula": "x=1;"}, status=409)
        await batch.post("/pools/pool/enableautoscale", {"autoScaleFormula": "$TargetDedicatedNodes=0;"}, status=200)
        run = await batch.post("/pools/pool/evaluateautoscale", {"autoScaleFormula": "$TargetDedicatedNodes=1;x=3;"})
        failed = await batch.post("/pools/pool/evaluateautoscale", {"autoScaleFormula": "x=1/0;"})
        await batch.post("/pools/pool/disableautoscale", status=200)
        return off, run, failed, await batch.get("/pools/pool")

    off, run, failed, pool = run_batch(scenario)
    assert off["code"] == "OperationInvalidForCurrentState"
    assert run["results"] == ("$TargetDedicatedNodes=1;$TargetLowPriorityNodes=0;$NodeDeallocationOption=requeue;x=3")
    assert failed["error"]["code"] == "AutoScalingFormulaEvaluationError"
    assert (pool["targetDedicatedNodes"], pool["enableAutoScale"]) == (0, False)


def test_an_evaluation_that_fails_changes_nothing_and_shows_its_error(run_batch):
    async def scenario(batch):
        await batch.make_pool(nodes=1)
        await batch.pool_steady()
        text = "$TargetDedicatedNodes = max($CPUPercent.GetSample(TimeInterval_Minute));"
        await batch.post("/pools/pool/enableautoscale", {"autoScaleFormula": text})

        async def evaluated():
            found = await batch.get("/pools/pool")
            return found if "autoScaleRun" in found else None

        return await batch.until(evaluated)

    pool = run_batch(scenario)
    assert pool["autoScaleRun"]["error"]["code"] == "AutoScalingFormulaEvaluationError"
    assert pool["currentDedicatedNodes"] == 1


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"virtualMachineConfiguration": None}, "MissingRequiredProperty"),
        ({"enableAutoScale": True}, "InvalidAutoScalingSettings"),
        ({"enableAutoScale": True, "autoScaleFormula": "x=;"}, "AutoScalingFormulaSyntaxError"),
        ({"enableAutoScale": True, "autoScaleFormula": "x=1;" + " " * 9000}, "AutoScalingFormulaTooLong"),
        (
            {"enableAutoScale": True, "autoScaleFormula": "x=1;", "targetDedicatedNodes": 1},
            "InvalidAutoScalingSettings",
        ),
        ({"autoScaleFormula": "x=1;"}, "InvalidPropertyValue"),
        ({**SCALED, "autoScaleEvaluationInterval": "PT4M"}, "InvalidPropertyValue"),
        ({**SCALED, "autoScaleEvaluationInterval": "PT169H"}, "InvalidPropertyValue"),
        ({"resizeTimeout": "PT1M"}, "InvalidPropertyValue"),
        ({"taskSlotsPerNode": 257}, "InvalidPropertyValue"),
        ({"targetDedicatedNodes": -1}, "InvalidPropertyValue"),
        ({"targetDedicatedNodes": "1"}, "InvalidPropertyValue"),
        ({"applicationPackageReferences": [{"applicationId": "a"}]}, "NotImplemented"),
    ],
)
def test_a_pool_that_azure_would_refuse_is_refused(run_batch, change, code):
    body = {"id": "p", "vmSize": "s", "virtualMachineConfiguration": {"imageReference": {}, "nodeAgentSKUId": "n"}}

    async def scenario(batch):
        return await batch.post("/pools", body | change, status=501 if code == "NotImplemented" else 400)

    assert run_batch(scenario)["code"] == code


def test_a_patch_merges_and_what_it_makes_is_checked_as_a_whole(run_batch):
    start = {"commandLine": "true", "environmentSettings": [{"name": "A", "value": "1"}], "waitForSuccess": True}

    async def scenario(batch):
        await batch.make_pool(nodes=0, startTask=start, metadata=[{"name": "k", "value": "v"}])
        await batch.call("PATCH", "/pools/pool", {"startTask": {"commandLine": "false"}, "metadata": None}, status=200)
        wrong = await batch.call("PATCH", "/pools/pool", {"taskSlotsPerNode": 0}, status=400)
        fixed = await batch.call("PATCH", "/pools/pool", {"targetDedicatedNodes": 1}, status=400)
        return await batch.get("/pools/pool"), wrong, fixed

    pool, wrong, fixed = run_batch(scenario)
    assert pool["startTask"] == start | {"commandLine": "false"}
    assert "metadata" not in pool
    assert (wrong["code"], fixed["code"]) == ("InvalidPropertyValue", "UnsupportedProperty")


@pytest.mark.fault(56)
def test_secrets_of_a_pool_are_never_given_back(run_batch):
    async def scenario(batch):
        accounts = [{"name": "u", "password": "hunter2"}]
        mounts = [{"azureBlobFileSystemConfiguration": {"accountName": "a", "containerName": "c", "accountKey": "k3y"}}]
        await batch.make_pool(nodes=0, userAccounts=accounts, mountConfiguration=mounts)
        return (await batch.http.get("/pools/pool?api-version=2025-06-01")).text

    text = run_batch(scenario)
    assert '"name": "u"' in text
    assert "hunter2" not in text
    assert "k3y" not in text


def test_tasks_wait_for_a_start_task_that_must_succeed(run_batch):
    async def scenario(batch):
        start = {"commandLine": "sh -c 'echo x >> $AZ_BATCH_NODE_SHARED_DIR/seen; echo up'", "waitForSuccess": True}
        await batch.make_pool(startTask=start)
        await batch.make_job()
        await batch.add("t", "sh -c 'cat $AZ_BATCH_NODE_SHARED_DIR/seen'")
        await batch.task_in("completed", "t")
        node = (await batch.nodes())[0]
        text = await batch.get(f"/pools/pool/nodes/{node['id']}/files/startup%2Fstdout.txt")
        return await batch.file("t", "stdout.txt"), node, text.text

    seen, node, text = run_batch(scenario)
    assert seen == "x\n"
    assert node["startTaskInfo"]["result"] == "success"
    assert text == "up\n"


def test_a_node_whose_start_task_fails_after_its_retries_is_not_used(run_batch):
    async def scenario(batch):
        start = {"commandLine": "sh -c 'exit 9'", "maxTaskRetryCount": 1, "waitForSuccess": True}
        await batch.make_pool(startTask=start)
        await batch.make_job()
        await batch.add("t", "true")

        async def failed():
            nodes = await batch.nodes()
            return nodes[0] if nodes and nodes[0]["state"] == "starttaskfailed" else None

        return await batch.until(failed), await batch.task("t")

    node, task = run_batch(scenario)
    info = node["startTaskInfo"]
    assert (info["exitCode"], info["retryCount"], info["result"]) == (9, 1, "failure")
    assert task["state"] == "active"


def test_an_evicted_node_stays_listed_requeues_its_tasks_uncounted_and_comes_back_under_its_id(run_batch):
    async def scenario(batch):
        await batch.make_pool(nodes=0, spot=1)
        await batch.make_job()
        await batch.add("t", "sleep 60", constraints={"maxTaskRetryCount": 0})
        first = await batch.task_in("running", "t")
        node = (await batch.nodes())[0]
        await batch.post(f"/_emulator/pools/pool/nodes/{node['id']}/evict", {"graceSeconds": 0.1})
        requeued = await batch.task_in("active", "t")
        listed = await batch.nodes()
        pool = await batch.get("/pools/pool")
        await batch.call("PUT", "/_emulator/capacity", {})
        again = await batch.task_in("running", "t")
        return first, requeued, listed, pool, again

    first, requeued, listed, pool, again = run_batch(scenario)
    assert [node["state"] for node in listed] == ["preempted"]
    assert pool["currentLowPriorityNodes"] == 1
    assert requeued["executionInfo"]["retryCount"] == requeued["executionInfo"]["requeueCount"] == 0
    assert "nodeInfo" not in requeued
    assert again["nodeInfo"]["nodeId"] == first["nodeInfo"]["nodeId"]


def test_an_evicted_node_returns_by_itself_when_told_so_but_not_over_the_quota(run_batch):
    async def scenario(batch):
        await batch.make_pool(nodes=0, spot=1)
        await batch.pool_steady()
        node = (await batch.until(lambda: all_idle(batch, 1)))[0]["id"]
        await batch.call("PUT", "/_emulator/capacity", {"nodes": 0})
        await batch.post(f"/_emulator/pools/pool/nodes/{node}/evict", {"returnAfterSeconds": 0})
        lost = (await batch.nodes())[0]["state"]
        await batch.call("PUT", "/_emulator/capacity", {"nodes": 1})
        return lost, (await batch.until(lambda: all_idle(batch, 1)))[0]["id"] == node

    assert run_batch(scenario) == ("preempted", True)


def test_a_program_hears_of_an_eviction_by_sigterm_before_it_is_killed(run_batch):
    script = (
        'trap "echo bye >> $AZ_BATCH_NODE_SHARED_DIR/../../heard; exit 3" TERM; echo up; while :; do sleep 0.01; done'
    )

    async def scenario(batch):
        await batch.make_pool(nodes=0, spot=1)
        await batch.make_job()
        await batch.add("t", f"sh -c '{script}'")

        async def up():
            answer = await batch.http.get("/jobs/job/tasks/t/files/stdout.txt?api-version=2025-06-01")
            return answer.is_success and "up" in answer.text

        await batch.until(up)
        node = (await batch.nodes())[0]["id"]
        await batch.post(f"/_emulator/pools/pool/nodes/{node}/evict", {"graceSeconds": 5})
        heard = batch.engine.context.settings.state / "nodes" / "pool" / "heard"

        async def told():
            return heard.exists() and heard.read_text() != ""

        await batch.until(told)  # the task is active again as soon as its node is leaving, before its program has ended
        await batch.task_in("active", "t")
        return heard.read_text()

    assert run_batch(scenario) == "bye\n"


def test_a_rebooted_node_keeps_its_disk_and_a_reimaged_one_does_not(run_batch):
    async def scenario(batch):
        await batch.make_pool()
        await batch.make_job()
        await batch.add("write", "sh -c 'echo kept > $AZ_BATCH_NODE_SHARED_DIR/note'")
        await batch.task_in("completed", "write")
        node = (await batch.nodes())[0]
        found = []
        for action, option in (("reboot", "nodeRebootOption"), ("reimage", "nodeReimageOption")):
            await batch.post(f"/pools/pool/nodes/{node['id']}/{action}", {option: "requeue"}, status=202)

            async def again(before=node["lastBootTime"]):
                nodes = await all_idle(batch, 1)
                return nodes[0] if nodes and nodes[0]["lastBootTime"] > before else None

            node = await batch.until(again)
            await batch.add(action, "sh -c 'cat $AZ_BATCH_NODE_SHARED_DIR/note'")
            found.append((await batch.task_in("completed", action))["executionInfo"]["exitCode"])
        return found

    assert run_batch(scenario) == [0, 1]


def test_a_deallocated_node_runs_nothing_until_it_is_started(run_batch):
    async def scenario(batch):
        await batch.make_pool()
        await batch.make_job()
        await batch.pool_steady()
        node = (await batch.until(lambda: all_idle(batch, 1)))[0]["id"]
        early = await batch.post(f"/pools/pool/nodes/{node}/start", status=409)
        await batch.post(f"/pools/pool/nodes/{node}/deallocate", {"nodeDeallocateOption": "requeue"}, status=202)

        async def deallocated():
            return (await batch.nodes())[0]["state"] == "deallocated"

        await batch.until(deallocated)
        await batch.add("t", "true")
        waiting = (await batch.task("t"))["state"]
        await batch.post(f"/pools/pool/nodes/{node}/start", status=202)
        await batch.task_in("completed", "t")
        return early["code"], waiting

    assert run_batch(scenario) == ("OperationInvalidForCurrentState", "active")


def test_a_node_without_scheduling_gives_its_tasks_back_and_takes_none(run_batch):
    async def scenario(batch):
        await batch.make_pool()
        await batch.make_job()
        await batch.add("t", "sleep 60")
        await batch.task_in("running", "t")
        node = (await batch.nodes())[0]["id"]
        body = {"nodeDisableSchedulingOption": "requeue"}
        await batch.post(f"/pools/pool/nodes/{node}/disablescheduling", body, status=200)
        task = await batch.task_in("active", "t")
        state = (await batch.get(f"/pools/pool/nodes/{node}"))["schedulingState"]
        await batch.post(f"/pools/pool/nodes/{node}/enablescheduling", status=200)
        await batch.task_in("running", "t")
        return task["executionInfo"]["requeueCount"], state

    assert run_batch(scenario) == (1, "disabled")


@pytest.mark.parametrize(("fill", "nodes_used"), [("pack", 1), ("spread", 2)])
def test_tasks_fill_a_node_or_spread_over_nodes(run_batch, fill, nodes_used):
    async def scenario(batch):
        await batch.make_pool(nodes=2, taskSlotsPerNode=2, taskSchedulingPolicy={"nodeFillType": fill})
        await batch.pool_steady()
        await batch.until(lambda: all_idle(batch, 2))
        await batch.make_job()
        await batch.post("/jobs/job/addtaskcollection", {"value": [{"id": n, "commandLine": "sleep 60"} for n in "ab"]})
        tasks = [await batch.task_in("running", name) for name in "ab"]
        return {task["nodeInfo"]["nodeId"] for task in tasks}

    assert len(run_batch(scenario)) == nodes_used
