"""What becomes of jobs: order, disabling, terminating, deleting, ends by themselves."""

import pytest


async def running(batch, **job):
    """A job with one task that runs."""
    await batch.make_pool()
    await batch.make_job(**job)
    await batch.add("t", "sleep 60")
    await batch.task_in("running", "t")


def test_the_job_with_the_higher_priority_goes_first(run_batch):
    async def scenario(batch):
        for name, priority in (("low", -5), ("none", 0), ("high", 10)):
            await batch.make_job(name, priority=priority)
            await batch.add("t", "true", job=name)
        await batch.make_pool()
        ended = [await batch.task_in("completed", "t", job) for job in ("high", "none", "low")]
        return [task["executionInfo"]["startTime"] for task in ended]

    starts = run_batch(scenario, slots=1)
    assert starts == sorted(starts)


def test_a_job_runs_no_more_tasks_at_once_than_it_allows(run_batch):
    async def scenario(batch):
        await batch.make_pool(taskSlotsPerNode=4)
        await batch.make_job(maxParallelTasks=1)
        await batch.add("a", "sleep 60")
        await batch.add("b", "sleep 60")
        await batch.task_in("running", "a")
        return await batch.task("b")

    assert run_batch(scenario)["state"] == "active"


@pytest.mark.parametrize(("option", "state", "requeues"), [("requeue", "active", 1), ("terminate", "completed", 0)])
def test_disabling_a_job_takes_its_running_tasks_away_and_enabling_lets_them_run(run_batch, option, state, requeues):
    async def scenario(batch):
        await running(batch)
        await batch.post("/jobs/job/disable", {"disableTasks": option}, status=202)
        await batch.job_in("disabled")
        task = await batch.task("t")
        refused = await batch.post("/jobs/job/disable", {"disableTasks": option}, status=409)
        await batch.post("/jobs/job/enable", status=202)
        await batch.job_in("active")
        if state == "active":
            await batch.task_in("running", "t")
        return task, refused

    task, refused = run_batch(scenario)
    assert task["state"] == state
    assert task["executionInfo"]["requeueCount"] == requeues
    assert refused["code"] == "JobDisabled"


def test_a_job_disabled_with_wait_is_disabled_once_its_tasks_have_ended(run_batch):
    async def scenario(batch):
        await batch.make_pool()
        await batch.make_job()
        await batch.add("t", "sh -c 'until test -e ../../go; do sleep 0.01; done'")
        await batch.task_in("running", "t")
        await batch.post("/jobs/job/disable", {"disableTasks": "wait"})
        waiting = await batch.get("/jobs/job")
        node = (await batch.nodes())[0]["id"]
        await batch.tell(node, "t", "go")
        await batch.job_in("disabled")
        return waiting, await batch.task("t")

    waiting, task = run_batch(scenario)
    assert waiting["state"] == "disabling"
    assert task["executionInfo"]["result"] == "success"


def test_terminating_a_job_ends_its_running_tasks_and_never_runs_the_waiting_ones(run_batch):
    async def scenario(batch):
        await running(batch)
        await batch.add("waiting", "true")
        await batch.post("/jobs/job/terminate", {"terminateReason": "enough"}, status=202)
        job = await batch.job_in("completed")
        refused = await batch.post("/jobs/job/tasks", {"id": "late", "commandLine": "true"}, status=409)
        return job, await batch.task("t"), await batch.task("waiting"), refused

    job, ended, waiting, refused = run_batch(scenario, slots=1)
    assert job["executionInfo"]["terminateReason"] == "enough"
    assert "endTime" in job["executionInfo"]
    assert ended["executionInfo"]["failureInfo"]["code"] == "TaskEnded"
    assert waiting["state"] == "active"
    assert refused["code"] == "JobCompleted"


def test_force_does_not_wait_for_a_program_that_will_not_go(run_batch):
    async def scenario(batch):
        await batch.make_pool()
        await batch.make_job()
        await batch.add("t", "sh -c 'trap \"\" TERM; echo up; while true; do sleep 0.01; done'")

        async def up():
            answer = await batch.http.get("/jobs/job/tasks/t/files/stdout.txt?api-version=2025-06-01")
            return answer.is_success and "up" in answer.text

        await batch.until(up)
        await batch.post("/jobs/job/terminate?force=true")
        await batch.job_in("completed")
        return await batch.task("t")

    assert run_batch(scenario, grace_s=60.0)["executionInfo"]["exitCode"] == 137


def test_deleting_a_job_removes_it_with_tasks_and_files_and_its_id_can_be_used_again(run_batch):
    async def scenario(batch):
        await running(batch)
        await batch.call("DELETE", "/jobs/job", status=202)
        again = await batch.http.delete("/jobs/job?api-version=2025-06-01")

        async def gone():
            return (await batch.http.get("/jobs/job?api-version=2025-06-01")).status_code == 404

        await batch.until(gone)
        await batch.make_job()
        tasks = await batch.get("/jobs/job/tasks")
        return again.json(), tasks, list((batch.engine.context.settings.state / "nodes").rglob("job-1/*"))

    again, tasks, left = run_batch(scenario)
    assert again["code"] == "JobBeingDeleted"
    assert tasks["value"] == []
    assert left == []


def test_a_job_without_tasks_counts_as_complete_at_once(run_batch):
    async def scenario(batch):
        await batch.make_job(onAllTasksComplete="terminatejob")
        return await batch.job_in("completed")

    assert run_batch(scenario)["executionInfo"]["terminateReason"] == "AllTasksComplete"


def test_a_job_patched_to_end_with_its_tasks_does(run_batch):
    async def scenario(batch):
        await batch.make_pool()
        await batch.make_job()
        await batch.add("good", "true")
        await batch.add("bad", "false")
        await batch.call("PATCH", "/jobs/job", {"onAllTasksComplete": "terminatejob"}, status=200)
        return await batch.job_in("completed"), await batch.get("/jobs/job/taskcounts")

    job, counts = run_batch(scenario)
    assert job["executionInfo"]["terminateReason"] == "AllTasksComplete"
    assert counts["taskCounts"] == {"active": 0, "running": 0, "completed": 2, "succeeded": 1, "failed": 1}


def test_a_job_over_its_time_limit_is_terminated_by_itself(run_batch):
    async def scenario(batch):
        await running(batch, constraints={"maxWallClockTime": "PT0.3S"})
        return await batch.job_in("completed"), await batch.task("t")

    job, task = run_batch(scenario)
    assert job["executionInfo"]["terminateReason"] == "MaxWallClockTimeExpiry"
    assert task["executionInfo"]["failureInfo"]["code"] == "TaskEnded"


def test_a_job_whose_pool_does_not_exist_waits_for_it(run_batch):
    async def scenario(batch):
        await batch.make_job()
        await batch.add("t", "true")
        before = await batch.task("t")
        await batch.make_pool()
        return before, await batch.task_in("completed", "t")

    before, after = run_batch(scenario)
    assert before["state"] == "active"
    assert after["executionInfo"]["result"] == "success"


def test_put_replaces_what_a_job_allows_and_falls_back_to_defaults(run_batch):
    async def scenario(batch):
        await batch.make_job(priority=5, metadata=[{"name": "k", "value": "v"}], displayName="kept")
        await batch.call("PUT", "/jobs/job", {"poolInfo": {"poolId": "pool"}, "priority": 7}, status=200)
        moved = await batch.call("PUT", "/jobs/job", {"poolInfo": {"poolId": "other"}}, status=409)
        return await batch.get("/jobs/job"), moved

    job, moved = run_batch(scenario)
    assert (job["priority"], job["displayName"]) == (7, "kept")
    assert "metadata" not in job
    assert moved["code"] == "OperationInvalidForCurrentState"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"id": "a b", "poolInfo": {"poolId": "p"}}, 400, "InvalidPropertyValue"),
        ({"id": "x" * 65, "poolInfo": {"poolId": "p"}}, 400, "InvalidPropertyValue"),
        ({"poolInfo": {"poolId": "p"}}, 400, "MissingRequiredProperty"),
        ({"id": "j", "poolInfo": {}}, 400, "InvalidPropertyValue"),
        ({"id": "j", "poolInfo": {"poolId": "p"}, "priority": 1001}, 400, "InvalidPropertyValue"),
        ({"id": "j", "poolInfo": {"poolId": "p"}, "priorty": 1}, 400, "UnsupportedProperty"),
        ({"id": "j", "poolInfo": {"autoPoolSpecification": {}}}, 501, "NotImplemented"),
        ({"id": "j", "poolInfo": {"poolId": "p"}, "jobManagerTask": {}}, 501, "NotImplemented"),
    ],
)
def test_a_job_that_azure_would_refuse_is_refused(run_batch, body, status, code):
    async def scenario(batch):
        return await batch.post("/jobs", body, status=status)

    error = run_batch(scenario)
    assert error["code"] == code
    assert error["message"]["lang"] == "en-US"


def test_ids_keep_their_case_and_are_found_in_any(run_batch):
    async def scenario(batch):
        await batch.make_job("MyJob")
        twice = await batch.post("/jobs", {"id": "myjob", "poolInfo": {"poolId": "p"}}, status=409)
        return await batch.get("/jobs/MYJOB"), twice

    job, twice = run_batch(scenario)
    assert job["id"] == "MyJob"
    assert twice["code"] == "JobExists"
