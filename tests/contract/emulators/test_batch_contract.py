"""The Batch emulator against Microsoft's contract: the real client, every operation, every exchange checked."""

import urllib.request
from datetime import timedelta
from typing import Any

import pytest
from azure.batch import BatchClient, models
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.core.rest import HttpRequest

from localcloud.batch.http.service import NOT_EMULATED

pytestmark = [
    pytest.mark.shared,
    pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning"),
]

IDENTITY = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i"


@pytest.fixture(scope="module")
def emulator(start_emulator):
    """One emulator for all tests here; each uses pools and jobs of its own."""
    quick = ("--grace", "0.5", "--autoscale-interval", "0.05")
    return start_emulator("batch", "--nodes", "8", "--slots", "4", *quick, signed=True)


def container_pool(name: str) -> models.BatchPoolCreateOptions:
    """A pool as the product's infrastructure describes it, GPU image, containers and all."""
    registry = models.ContainerRegistryReference(
        registry_server="r.azurecr.io",
        identity_reference=models.BatchNodeIdentityReference(resource_id=IDENTITY),
    )
    return models.BatchPoolCreateOptions(
        id=name,
        vm_size="Standard_NC4as_T4_v3",
        virtual_machine_configuration=models.VirtualMachineConfiguration(
            image_reference=models.BatchVmImageReference(
                publisher="microsoft-dsvm", offer="ubuntu-hpc", sku="2204", version="latest"
            ),
            node_agent_sku_id="batch.node.ubuntu 22.04",
            container_configuration=models.BatchContainerConfiguration(
                type="dockerCompatible", container_image_names=["r.azurecr.io/x:1"], container_registries=[registry]
            ),
        ),
        enable_auto_scale=True,
        auto_scale_formula="$TargetDedicatedNodes = min(1, max($PendingTasks.GetSample(1)));"
        "$NodeDeallocationOption = taskcompletion;",
        auto_scale_evaluation_interval=timedelta(minutes=5),
        start_task=models.BatchStartTask(command_line="true", wait_for_success=True, max_task_retry_count=2),
        task_slots_per_node=4,
        task_scheduling_policy=models.BatchTaskSchedulingPolicy(node_fill_type="pack"),
        metadata=[models.BatchMetadataItem(name="k", value="v")],
    )


def plain_pool(name: str, nodes: int, **more: Any) -> models.BatchPoolCreateOptions:
    machine = models.VirtualMachineConfiguration(
        image_reference=models.BatchVmImageReference(publisher="p", offer="o", sku="s"), node_agent_sku_id="n"
    )
    return models.BatchPoolCreateOptions(
        id=name, vm_size="s", virtual_machine_configuration=machine, target_dedicated_nodes=nodes, **more
    )


def steady(client: BatchClient, pool: str) -> bool:
    return client.get_pool(pool).allocation_state == "steady"


def a_run_of_workers_in_a_scaled_container_pool(client: BatchClient, wait_until) -> None:
    client.create_pool(container_pool("gpu"))
    assert client.pool_exists("gpu")
    job = models.BatchJobCreateOptions(
        id="run",
        pool_info=models.BatchPoolInfo(pool_id="gpu"),
        priority=100,
        all_tasks_complete_mode="noaction",
        task_failure_mode="performexitoptionsjobaction",
        uses_task_dependencies=True,
        constraints=models.BatchJobConstraints(max_wall_clock_time=timedelta(hours=2), max_task_retry_count=2),
        common_environment_settings=[models.EnvironmentSetting(name="A", value="b")],
    )
    client.create_job(job)
    settings = models.BatchTaskContainerSettings(
        image_name="r.azurecr.io/x:1",
        container_run_options="--rm",
        container_host_batch_bind_mounts=[models.ContainerHostBatchBindMountEntry(source="Task", is_read_only=False)],
    )
    limits = models.BatchTaskConstraints(
        max_wall_clock_time=timedelta(minutes=30), retention_time=timedelta(hours=1), max_task_retry_count=1
    )
    nothing = models.ExitConditions(
        exit_codes=[models.ExitCodeMapping(code=3, exit_options=models.ExitOptions(job_action="none"))],
        default=models.ExitOptions(job_action="none", dependency_action="satisfy"),
    )
    tasks = [
        models.BatchTaskCreateOptions(
            id=f"worker-{number}",
            command_line=f"sh -c 'echo $A {number}; exit {number % 2}'",
            container_settings=settings,
            constraints=limits,
            exit_conditions=nothing,
            required_slots=1,
        )
        for number in range(4)
    ]
    client.create_tasks("run", tasks)
    again = client.create_task_collection("run", models.BatchTaskGroup(task_values=tasks[:1]))
    assert again["value"][0]["error"]["code"] == "TaskExists"
    last = models.BatchTaskCreateOptions(
        id="last", command_line="true", container_settings=settings,
        depends_on=models.BatchTaskDependencies(task_ids=["worker-1"]),
    )  # fmt: skip
    client.create_task("run", last)
    wait_until(lambda: client.get_job_task_counts("run").task_counts.completed == 5)
    failed = list(client.list_tasks("run", filter="executionInfo/result eq 'failure'", select=["id", "executionInfo"]))
    assert [task.id for task in failed] == ["worker-1", "worker-3"]
    assert failed[0].execution_info.retry_count == 1
    whole = client.get_task("run", "worker-0", expand=["stats"])
    assert whole.execution_info.container_info.state == "exited"
    assert whole.task_statistics is not None
    wait_until(lambda: client.get_pool("gpu").current_dedicated_nodes == 0)
    client.update_job("run", models.BatchJobUpdateOptions(all_tasks_complete_mode="terminatejob"))
    wait_until(lambda: client.get_job("run").state == "completed")
    assert client.get_job("run").execution_info.termination_reason == "AllTasksComplete"


def pools_are_resized_patched_and_scaled(client: BatchClient, wait_until) -> None:
    client.create_pool(plain_pool("sizes", 2))
    wait_until(lambda: steady(client, "sizes"))
    client.begin_resize_pool("sizes", models.BatchPoolResizeOptions(target_dedicated_nodes=1)).result()
    assert client.get_pool("sizes").current_dedicated_nodes == 1
    client.begin_stop_pool_resize("sizes").result()
    node = next(iter(client.list_nodes("sizes")))
    client.begin_remove_nodes("sizes", models.BatchNodeRemoveOptions(node_ids=[node.id])).result()
    assert list(client.list_nodes("sizes")) == []
    with pytest.raises(ResourceNotFoundError) as gone:
        client.get_node("sizes", node.id)
    assert gone.value.error.code == "NodeNotFound"
    client.update_pool("sizes", models.BatchPoolUpdateOptions(task_slots_per_node=8))
    replacement = models.BatchPoolReplaceOptions(application_package_references=[], metadata=[])
    client.replace_pool_properties("sizes", replacement)
    assert client.get_pool("sizes", expand=["stats"]).task_slots_per_node == 8
    formula = "$TargetDedicatedNodes = 1;"
    client.enable_pool_auto_scale(
        "sizes",
        models.BatchPoolEnableAutoScaleOptions(
            auto_scale_formula=formula, auto_scale_evaluation_interval=timedelta(minutes=5)
        ),
    )
    evaluation = models.BatchPoolEvaluateAutoScaleOptions(auto_scale_formula="$TargetDedicatedNodes = 2;")
    assert client.evaluate_pool_auto_scale("sizes", evaluation).results.startswith("$TargetDedicatedNodes=2;")
    wait_until(lambda: client.get_pool("sizes").current_dedicated_nodes == 1)
    client.disable_pool_auto_scale("sizes")
    counts = {count.pool_id: count for count in client.list_pool_node_counts()}
    assert counts["sizes"].dedicated.total == 1
    assert "sizes" in {pool.id for pool in client.list_pools(filter="startswith(id,'s')")}
    assert any("DockerCompatible" in image.capabilities for image in client.list_supported_images())
    client.begin_delete_pool("sizes").result()
    with pytest.raises(ResourceNotFoundError):
        client.get_pool("sizes")


def jobs_are_listed_changed_disabled_and_ended(client: BatchClient, wait_until) -> None:
    client.create_pool(plain_pool("jobs", 1))
    for name in ("j1", "j2", "j3"):
        job = models.BatchJobCreateOptions(id=name, pool_info=models.BatchPoolInfo(pool_id="jobs"))
        client.create_job(job)
    pages = client.list_jobs(max_results=2, filter="startswith(id,'j')", select=["id"]).by_page()
    assert [[job.id for job in page] for page in pages] == [["j1", "j2"], ["j3"]]
    assert client.get_job("j1", select=["id", "state"], expand=["stats"]).state == "active"
    client.create_task("j1", models.BatchTaskCreateOptions(id="t", command_line="sleep 60"))
    wait_until(lambda: client.get_task("j1", "t").state == "running")
    client.replace_task("j1", "t", models.BatchTask(constraints=models.BatchTaskConstraints(max_task_retry_count=1)))
    assert client.get_task("j1", "t").constraints.max_task_retry_count == 1
    client.begin_disable_job("j1", models.BatchJobDisableOptions(disable_tasks="requeue")).result()
    assert client.get_job("j1").state == "disabled"
    client.begin_enable_job("j1").result()
    client.replace_job("j1", models.BatchJob(pool_info=models.BatchPoolInfo(pool_id="jobs"), priority=3))
    stamp = client.get_job("j1").etag
    update = models.BatchJobUpdateOptions(priority=5)
    client.update_job("j1", update, etag=stamp, match_condition=MatchConditions.IfNotModified)
    with pytest.raises(HttpResponseError) as stale:
        client.update_job("j1", update, etag=stamp, match_condition=MatchConditions.IfNotModified)
    assert (stale.value.status_code, stale.value.error.code) == (412, "ConditionNotMet")
    assert list(client.list_job_preparation_and_release_task_status("j1")) == []
    client.begin_terminate_job("j1", {"terminateReason": "cancelled"}, force=True).result()
    assert client.get_job("j1").execution_info.termination_reason == "cancelled"
    client.begin_delete_job("j1").result()
    with pytest.raises(ResourceNotFoundError):
        client.get_job("j1")
    with pytest.raises(ResourceExistsError) as twice:
        client.create_job(models.BatchJobCreateOptions(id="j2", pool_info=models.BatchPoolInfo(pool_id="jobs")))
    assert twice.value.error.code == "JobExists"


def tasks_are_ended_revived_and_deleted_and_their_files_read(client: BatchClient, wait_until) -> None:
    client.create_pool(plain_pool("files", 1, task_slots_per_node=4))
    client.create_job(models.BatchJobCreateOptions(id="files", pool_info=models.BatchPoolInfo(pool_id="files")))
    command = "sh -c 'printf 0123456789; mkdir out; echo x > \"out/a b.txt\"'"
    client.create_task("files", models.BatchTaskCreateOptions(id="t", command_line=command))
    client.create_task("files", models.BatchTaskCreateOptions(id="long", command_line="sleep 60"))
    wait_until(lambda: client.get_task("files", "t").state == "completed")
    assert b"".join(client.download_task_file("files", "t", "stdout.txt")) == b"0123456789"
    assert b"".join(client.download_task_file("files", "t", "stdout.txt", ocp_range="bytes=2-4")) == b"234"
    assert b"".join(client.download_task_file("files", "t", "wd/out/a b.txt")) == b"x\n"
    assert client.get_task_file_properties("files", "t", "stdout.txt").content_length == 10
    names = {file.name for file in client.list_task_files("files", "t", recursive=True)}
    assert names == {"stdout.txt", "stderr.txt", "wd", "wd/out", "wd/out/a b.txt"}
    client.delete_task_file("files", "t", "wd/out", recursive=True)
    with pytest.raises(ResourceNotFoundError):
        client.download_task_file("files", "t", "wd/out/a b.txt")
    wait_until(lambda: client.get_task("files", "long").state == "running")
    client.terminate_task("files", "long")
    wait_until(lambda: client.get_task("files", "long").state == "completed")
    assert client.get_task("files", "long").execution_info.failure_info.code == "TaskEnded"
    client.reactivate_task("files", "long")
    wait_until(lambda: client.get_task("files", "long").state == "running")
    assert list(client.list_subtasks("files", "t")) == []
    node = client.get_task("files", "t").node_info
    assert node.task_root_directory == "workitems/files/job-1/t"
    path = f"{node.task_root_directory}/stdout.txt"
    assert b"".join(client.download_node_file("files", node.node_id, path)) == b"0123456789"
    assert client.get_node_file_properties("files", node.node_id, path).content_length == 10
    assert path in {file.name for file in client.list_node_files("files", node.node_id, recursive=True)}
    client.delete_node_file("files", node.node_id, path)
    client.delete_task("files", "t")
    with pytest.raises(ResourceNotFoundError) as gone:
        client.get_task("files", "t")
    assert gone.value.error.code == "TaskNotFound"


def nodes_are_rebooted_reimaged_deallocated_and_taken_out_of_scheduling(client: BatchClient, wait_until) -> None:
    client.create_pool(plain_pool("nodes", 1, start_task=models.BatchStartTask(command_line="true")))
    wait_until(lambda: [node.state for node in client.list_nodes("nodes", filter="state eq 'idle'")])
    node = next(iter(client.list_nodes("nodes"))).id
    client.begin_reboot_node("nodes", node, {"nodeRebootOption": "requeue"}).result()
    wait_until(lambda: client.get_node("nodes", node).state == "idle")
    client.begin_reimage_node("nodes", node, {"nodeReimageOption": "requeue"}).result()
    wait_until(lambda: client.get_node("nodes", node).state == "idle")
    client.begin_deallocate_node("nodes", node, {"nodeDeallocateOption": "requeue"}).result()
    assert client.get_node("nodes", node).state == "deallocated"
    client.begin_start_node("nodes", node).result()
    wait_until(lambda: client.get_node("nodes", node).state == "idle")
    option = models.BatchNodeDisableSchedulingOptions(node_disable_scheduling_option="requeue")
    client.disable_node_scheduling("nodes", node, option)
    assert client.get_node("nodes", node, select=["id", "schedulingState"]).scheduling_state == "disabled"
    client.enable_node_scheduling("nodes", node)
    logs = models.UploadBatchServiceLogsOptions(container_url="https://x", start_time="2025-01-01T00:00:00Z")
    assert client.upload_node_logs("nodes", node, logs).number_of_files_uploaded == 0
    assert list(client.list_node_extensions("nodes", node)) == []
    with pytest.raises(ResourceNotFoundError):
        client.get_node_extension("nodes", node, "none")
    assert list(client.list_applications()) == []
    with pytest.raises(ResourceNotFoundError):
        client.get_application("none")


def an_evicted_node_is_shown_as_microsoft_describes_it(client: BatchClient, wait_until) -> None:
    client.create_pool(plain_pool("spot", 0, target_low_priority_nodes=1))
    wait_until(lambda: [node for node in client.list_nodes("spot") if node.state == "idle"])
    node = next(iter(client.list_nodes("spot")))
    evict = f"{client._config.endpoint}/_emulator/pools/spot/nodes/{node.id}/evict"
    urllib.request.urlopen(urllib.request.Request(evict, method="POST")).close()
    assert client.get_node("spot", node.id).state == "preempted"
    counts = {count.pool_id: count for count in client.list_pool_node_counts()}
    assert counts["spot"].low_priority.preempted == 1


WALKS = (
    a_run_of_workers_in_a_scaled_container_pool,
    pools_are_resized_patched_and_scaled,
    jobs_are_listed_changed_disabled_and_ended,
    tasks_are_ended_revived_and_deleted_and_their_files_read,
    nodes_are_rebooted_reimaged_deallocated_and_taken_out_of_scheduling,
    an_evicted_node_is_shown_as_microsoft_describes_it,
)


@pytest.mark.fault(72)
def test_the_real_client_walks_through_every_operation_and_every_exchange_conforms(
    emulator, batch_client, exchanges, check_spec, wait_until, subtests, capsys
):
    """The number that counts is printed: how many of Microsoft's operations the real client has called here."""
    client = batch_client(emulator)
    for walk in WALKS:
        with subtests.test(msg=walk.__name__):
            walk(client, wait_until)
    assert exchanges.problems(check_spec.BATCH) == []
    covered = exchanges.operations(check_spec.BATCH)
    operations = {(method, template): op["operationId"] for method, _, template, op in check_spec.BATCH.operations}
    not_emulated = {operations[key] for key in NOT_EMULATED}
    # these answer 404 here, because there are no applications and no extensions; the answer was checked
    always_absent = {"Applications_GetApplication", "Nodes_GetNodeExtension"}
    with capsys.disabled():
        print(
            f"\nBatch: {len(covered)} of {len(operations)} operations called with success by the real client, "
            f"{len(exchanges.found)} exchanges checked against Microsoft's contract; "
            f"{len(always_absent)} more answered 404; {len(not_emulated)} answer 501."
        )
    assert covered | always_absent | not_emulated == set(operations.values())
    assert not covered & not_emulated


@pytest.mark.fault(72)
@pytest.mark.parametrize(("method", "template"), NOT_EMULATED)
def test_what_is_not_emulated_answers_501_in_the_services_form(
    emulator, batch_client, exchanges, check_spec, method, template
):
    path = template.replace("{", "").replace("}", "")
    with pytest.raises(HttpResponseError) as refused:
        batch_client(emulator).send_request(HttpRequest(method, f"{path}?api-version=2025-06-01"))
    assert refused.value.status_code == 501
    if method != "HEAD":
        assert refused.value.error.code == "NotImplemented"
        assert template in refused.value.error.message
    assert exchanges.problems(check_spec.BATCH) == []
