"""What becomes of tasks: success, failure, retries, limits, ends, dependencies, exit conditions."""

import pytest


async def ready(batch, **job):
    await batch.make_pool()
    await batch.make_job(**job)


def test_a_task_that_exits_with_0_succeeds_and_leaves_its_files(run_batch):
    async def scenario(batch):
        await ready(batch)
        await batch.add("t", "sh -c 'echo out; echo err >&2; echo hello > made'")
        task = await batch.task_in("completed", "t")
        files = (await batch.get("/jobs/job/tasks/t/files?recursive=true"))["value"]
        text = [await batch.file("t", name) for name in ("stdout.txt", "stderr.txt", "wd%2Fmade")]
        return task, {file["name"] for file in files}, text

    task, names, text = run_batch(scenario)
    assert task["executionInfo"]["result"] == "success"
    assert task["executionInfo"]["exitCode"] == 0
    assert task["executionInfo"]["retryCount"] == task["executionInfo"]["requeueCount"] == 0
    assert task["previousState"] == "running"
    assert names == {"stdout.txt", "stderr.txt", "wd", "wd/made"}
    assert text == ["out\n", "err\n", "hello\n"]


def test_a_task_that_exits_otherwise_fails_by_its_exit_code(run_batch):
    async def scenario(batch):
        await ready(batch)
        await batch.add("t", "sh -c 'exit 7'")
        return await batch.task_in("completed", "t")

    execution = run_batch(scenario)["executionInfo"]
    assert (execution["exitCode"], execution["result"]) == (7, "failure")
    assert execution["failureInfo"]["category"] == "usererror"
    assert execution["failureInfo"]["code"] == "FailureExitCode"


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("no-such-program --now", "CommandProgramNotFound"),
        ("/etc/passwd", "CommandLaunchFailed"),
        ("sh -c 'open", "CommandLaunchFailed"),
    ],
)
def test_a_command_that_cannot_start_fails_before_any_exit_code_and_is_not_retried(run_batch, command, code):
    async def scenario(batch):
        await ready(batch)
        await batch.add("t", command, constraints={"maxTaskRetryCount": 3})
        return await batch.task_in("completed", "t")

    execution = run_batch(scenario)["executionInfo"]
    assert execution["failureInfo"]["code"] == code
    assert "exitCode" not in execution
    assert execution["retryCount"] == 0


COUNTING = "sh -c 'echo x >> tries; test $(wc -l < tries) -ge 3'"


def test_a_failing_program_is_tried_again_in_the_same_folder_as_often_as_allowed(run_batch):
    async def scenario(batch):
        await ready(batch)
        await batch.add("enough", COUNTING, constraints={"maxTaskRetryCount": 2})
        await batch.add("short", COUNTING, constraints={"maxTaskRetryCount": 1})
        return await batch.task_in("completed", "enough"), await batch.task_in("completed", "short")

    enough, short = run_batch(scenario)
    assert (enough["executionInfo"]["result"], enough["executionInfo"]["retryCount"]) == ("success", 2)
    assert (short["executionInfo"]["result"], short["executionInfo"]["retryCount"]) == ("failure", 1)
    assert "lastRetryTime" in short["executionInfo"]


def test_the_jobs_retry_count_is_the_default_of_its_tasks(run_batch):
    async def scenario(batch):
        await ready(batch, constraints={"maxTaskRetryCount": 2})
        await batch.add("t", COUNTING)
        await batch.add("own", COUNTING, constraints={"maxTaskRetryCount": 0})
        return await batch.task_in("completed", "t"), await batch.task_in("completed", "own")

    inherited, own = run_batch(scenario)
    assert inherited["executionInfo"]["result"] == "success"
    assert inherited["constraints"]["maxTaskRetryCount"] == 2
    assert own["executionInfo"]["retryCount"] == 0


def test_a_task_over_its_time_limit_is_ended_and_not_tried_again(run_batch):
    async def scenario(batch):
        await ready(batch)
        await batch.add("t", "sleep 60", constraints={"maxWallClockTime": "PT0.1S", "maxTaskRetryCount": 5})
        return await batch.task_in("completed", "t")

    execution = run_batch(scenario)["executionInfo"]
    assert execution["failureInfo"]["code"] == "TaskEnded"
    assert (execution["exitCode"], execution["retryCount"]) == (143, 0)


def test_terminating_a_running_and_a_waiting_task_completes_both(run_batch):
    async def scenario(batch):
        await ready(batch)
        await batch.add("running", "sleep 60", requiredSlots=1)
        await batch.add("waiting", "sleep 60", requiredSlots=1)
        await batch.task_in("running", "running")
        for task in ("waiting", "running"):
            await batch.post(f"/jobs/job/tasks/{task}/terminate", status=204)
        found = [await batch.task_in("completed", task) for task in ("running", "waiting")]
        again = await batch.post("/jobs/job/tasks/running/terminate", status=409)
        return found, again

    (ran, waited), again = run_batch(scenario, slots=1)
    assert ran["executionInfo"]["failureInfo"]["code"] == waited["executionInfo"]["failureInfo"]["code"] == "TaskEnded"
    assert "exitCode" not in waited["executionInfo"]
    assert again["code"] == "TaskCompleted"


def test_a_program_that_will_not_go_is_killed_after_the_grace(run_batch):
    stubborn = (
        "python -c \"import signal,time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)\""
    )

    async def scenario(batch):
        await ready(batch)
        await batch.add("t", stubborn)
        await batch.task_in("running", "t")

        async def up():
            answer = await batch.http.get("/jobs/job/tasks/t/files/stdout.txt?api-version=2025-06-01")
            return answer.is_success and "up" in answer.text

        await batch.until(up)
        await batch.post("/jobs/job/tasks/t/terminate")
        return await batch.task_in("completed", "t")

    assert run_batch(scenario)["executionInfo"]["exitCode"] == 137


def test_a_deleted_task_is_gone_with_its_files_and_its_id_can_be_used_again(run_batch):
    async def scenario(batch):
        await ready(batch)
        await batch.add("t", "sleep 60")
        await batch.task_in("running", "t")
        await batch.call("DELETE", "/jobs/job/tasks/t", status=200)
        await batch.call("GET", "/jobs/job/tasks/t", status=404)
        await batch.add("t", "sh -c 'exit 4'")
        task = await batch.task_in("completed", "t")
        await batch.call("DELETE", "/jobs/job/tasks/t")
        return task, list((batch.engine.context.settings.state / "nodes").rglob("job-1/t"))

    task, left = run_batch(scenario)
    assert task["executionInfo"]["exitCode"] == 4
    assert left == []


def test_only_a_failed_task_can_be_reactivated_and_then_begins_anew(run_batch):
    async def scenario(batch):
        await ready(batch)
        await batch.add("bad", "sh -c 'test -e ../../flag'", constraints={"maxTaskRetryCount": 1})
        await batch.add("good", "true")
        failed = await batch.task_in("completed", "bad")
        await batch.task_in("completed", "good")
        refused = await batch.post("/jobs/job/tasks/good/reactivate", status=409)
        node = (await batch.nodes())[0]["id"]
        await batch.tell(node, "bad", "flag")
        await batch.post("/jobs/job/tasks/bad/reactivate", status=204)
        return failed, refused, await batch.task_in("completed", "bad")

    failed, refused, again = run_batch(scenario)
    assert failed["executionInfo"]["retryCount"] == 1
    assert refused["code"] == "TaskSucceeded"
    assert again["executionInfo"]["result"] == "success"
    assert again["executionInfo"]["retryCount"] == 0
    assert "failureInfo" not in again["executionInfo"]


def test_a_dependent_task_waits_for_success_and_is_blocked_by_failure(run_batch):
    async def scenario(batch):
        await ready(batch, usesTaskDependencies=True)
        await batch.add("last", "true", dependsOn={"taskIds": ["1"], "taskIdRanges": [{"start": 1, "end": 3}]})
        await batch.add("blocked", "true", dependsOn={"taskIds": ["bad"]})
        await batch.add("let", "true", dependsOn={"taskIds": ["forgiven"]})
        await batch.add("bad", "false")
        forgive = {"default": {"dependencyAction": "satisfy"}}
        await batch.add("forgiven", "false", exitConditions=forgive)
        for number in (1, 2, 3):
            await batch.add(str(number), "true")
        ended = [await batch.task_in("completed", task) for task in ("1", "2", "3", "last", "bad", "let")]
        return ended, await batch.task("blocked")

    ended, blocked = run_batch(scenario)
    ends = {task["id"]: task["executionInfo"] for task in ended}
    assert ends["last"]["startTime"] >= max(ends[number]["endTime"] for number in "123")
    assert blocked["state"] == "active"


def test_dependencies_need_a_job_that_says_so(run_batch):
    async def scenario(batch):
        await ready(batch)
        body = {"id": "t", "commandLine": "true", "dependsOn": {"taskIds": ["x"]}}
        return await batch.post("/jobs/job/tasks", body, status=400)

    assert run_batch(scenario)["code"] == "TaskDependenciesNotSpecifiedOnJob"


HEEDING = {"onTaskFailure": "performexitoptionsjobaction"}


@pytest.mark.parametrize(
    ("conditions", "state", "reason"),
    [
        (None, "completed", "TaskFailed"),
        ({"default": {"jobAction": "none"}}, "active", None),
        ({"exitCodes": [{"code": 5, "exitOptions": {"jobAction": "disable"}}]}, "disabled", None),
        ({"exitCodes": [{"code": 6, "exitOptions": {"jobAction": "none"}}]}, "completed", "TaskFailed"),
        ({"exitCodeRanges": [{"start": 4, "end": 5, "exitOptions": {"jobAction": "none"}}]}, "active", None),
    ],
)
def test_the_end_of_a_task_acts_on_a_job_that_heeds_it(run_batch, conditions, state, reason):
    async def scenario(batch):
        await ready(batch, **HEEDING)
        more = {"exitConditions": conditions} if conditions else {}
        await batch.add("t", "sh -c 'exit 5'", **more)
        await batch.task_in("completed", "t")
        return await batch.job_in(state)

    assert run_batch(scenario)["executionInfo"].get("terminateReason") == reason


def test_a_command_that_cannot_start_meets_its_own_condition(run_batch):
    async def scenario(batch):
        await ready(batch, **HEEDING)
        conditions = {"preProcessingError": {"jobAction": "disable"}, "default": {"jobAction": "none"}}
        await batch.add("t", "no-such-program", exitConditions=conditions)
        return await batch.job_in("disabled")

    assert run_batch(scenario)["state"] == "disabled"


def test_a_job_action_is_refused_in_a_job_that_does_not_heed_it(run_batch):
    async def scenario(batch):
        await ready(batch)
        body = {"id": "t", "commandLine": "true", "exitConditions": {"default": {"jobAction": "none"}}}
        return await batch.post("/jobs/job/tasks", body, status=400)

    assert run_batch(scenario)["code"] == "InvalidPropertyValue"


def test_containers_are_named_where_the_pool_runs_them_and_only_there(run_batch):
    containers = {"type": "dockerCompatible", "containerImageNames": ["x:1"]}

    async def scenario(batch):
        machine = {"imageReference": {}, "nodeAgentSKUId": "n", "containerConfiguration": containers}
        await batch.make_pool(virtualMachineConfiguration=machine)
        await batch.make_job()
        missing = await batch.post("/jobs/job/tasks", {"id": "bare", "commandLine": "true"}, status=400)
        await batch.add("t", "sh -c 'exit 0'", containerSettings={"imageName": "x:1"})
        task = await batch.task_in("completed", "t")
        await batch.call("PATCH", "/pools/pool", {"virtualMachineConfiguration": {"containerConfiguration": None}})
        body = {"id": "odd", "commandLine": "true", "containerSettings": {"imageName": "x:1"}}
        return missing, task, await batch.post("/jobs/job/tasks", body, status=400)

    missing, task, odd = run_batch(scenario)
    assert missing["values"][0] == {"key": "PropertyName", "value": "containerSettings"}
    assert task["executionInfo"]["containerInfo"]["state"] == "exited"
    assert odd["code"] == "InvalidPropertyValue"


def test_tasks_share_a_node_by_their_slots(run_batch):
    async def scenario(batch):
        await batch.make_pool(taskSlotsPerNode=4)
        await batch.make_job()
        for name, slots in (("a", 2), ("b", 2), ("c", 1), ("huge", 5)):
            await batch.add(name, "sleep 60", requiredSlots=slots)
        for name in ("a", "b"):
            await batch.task_in("running", name)
        states = {name: (await batch.task(name))["state"] for name in ("a", "b", "c", "huge")}
        node = (await batch.nodes())[0]
        counts = await batch.get("/jobs/job/taskcounts")
        await batch.call("DELETE", "/jobs/job/tasks/a")
        await batch.task_in("running", "c")
        return states, node, counts

    states, node, counts = run_batch(scenario)
    assert states == {"a": "running", "b": "running", "c": "active", "huge": "active"}
    assert (node["runningTasksCount"], node["runningTaskSlotsCount"]) == (2, 4)
    assert counts["taskCounts"] == {"active": 2, "running": 2, "completed": 0, "succeeded": 0, "failed": 0}
    assert counts["taskSlotCounts"]["active"] == 6


def test_a_task_that_needs_more_slots_than_this_machine_gives_has_a_node_to_itself(run_batch):
    async def scenario(batch):
        await batch.make_pool(taskSlotsPerNode=4)
        await batch.make_job()
        await batch.add("wide", "sleep 60", requiredSlots=4)
        await batch.add("narrow", "sleep 60")
        await batch.task_in("running", "wide")
        return await batch.task("narrow")

    assert run_batch(scenario, slots=1)["state"] == "active"


def test_a_task_sees_batchs_variables_its_jobs_and_its_own(run_batch):
    async def scenario(batch):
        await batch.make_pool()
        common = [{"name": "BOTH", "value": "job"}, {"name": "JOB", "value": "1"}]
        await batch.make_job(commonEnvironmentSettings=common)
        own = [{"name": "BOTH", "value": "task"}, {"name": "AZ_BATCH_TASK_ID", "value": "forged"}]
        await batch.add("t", "sh -c env", environmentSettings=own)
        await batch.task_in("completed", "t")
        text = await batch.file("t", "stdout.txt")
        return dict(line.partition("=")[::2] for line in text.splitlines()), (await batch.nodes())[0]["id"]

    seen, node = run_batch(scenario, environment={"FROM_FILE": "yes"})
    root = seen["AZ_BATCH_NODE_ROOT_DIR"]
    assert (seen["BOTH"], seen["JOB"], seen["FROM_FILE"]) == ("task", "1", "yes")
    assert (seen["AZ_BATCH_JOB_ID"], seen["AZ_BATCH_TASK_ID"]) == ("job", "t")
    assert (seen["AZ_BATCH_POOL_ID"], seen["AZ_BATCH_NODE_ID"]) == ("pool", node)
    assert seen["AZ_BATCH_NODE_IS_DEDICATED"] == "true"
    assert seen["AZ_BATCH_NODE_SHARED_DIR"] == f"{root}/shared"
    assert seen["AZ_BATCH_TASK_DIR"] == f"{root}/workitems/job/job-1/t"
    assert seen["AZ_BATCH_TASK_WORKING_DIR"] == seen["PWD"] == f"{root}/workitems/job/job-1/t/wd"
