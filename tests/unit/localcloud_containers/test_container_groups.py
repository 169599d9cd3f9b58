"""What becomes of container groups: ends, restarts, stops, deletions, logs, secrets, restarts of the emulator."""

from datetime import datetime

import pytest

SLEEP = ["sleep", "60"]


def test_a_group_whose_containers_all_end_well_has_succeeded(run_containers, instance_view):
    async def scenario(containers):
        created = await containers.put("g", ["sh", "-c", "echo one; echo two >&2"], ["true"])
        return created, await containers.group_in("Succeeded"), await containers.log()

    created, group, log = run_containers(scenario)
    state = instance_view(group)["currentState"]
    assert created["properties"]["provisioningState"] == "Pending"
    assert group["properties"]["provisioningState"] == "Succeeded"
    assert (state["state"], state["exitCode"], state["detailStatus"]) == ("Terminated", 0, "Completed")
    assert state["startTime"] <= state["finishTime"]
    assert [event["name"] for event in instance_view(group)["events"]] == ["Pulling", "Pulled", "Created", "Started"]
    assert log == "one\ntwo\n"


def test_one_container_that_fails_fails_the_group(run_containers, instance_view):
    async def scenario(containers):
        await containers.put("g", ["true"], ["sh", "-c", "exit 5"])
        return await containers.group_in("Failed")

    state = instance_view(run_containers(scenario), 1)["currentState"]
    assert (state["exitCode"], state["detailStatus"]) == (5, "Error")


def test_a_program_that_is_missing_fails_its_container_and_says_so(run_containers, instance_view):
    async def scenario(containers):
        await containers.put("g", ["no-such-program"])
        return await containers.group_in("Failed")

    view = instance_view(run_containers(scenario))
    assert view["currentState"]["exitCode"] == 127
    assert [event["type"] for event in view["events"] if event["name"] == "Failed"] == ["Warning"]
    assert "no-such-program" in view["events"][-1]["message"]


def test_a_group_is_running_while_one_of_its_containers_is(run_containers):
    async def scenario(containers):
        await containers.put("g", ["false"], SLEEP)
        return await containers.group_in("Running")

    assert run_containers(scenario)["properties"]["restartPolicy"] == "Never"


def test_a_group_that_is_put_again_unchanged_runs_once(run_containers, tmp_path, body):
    command = ["sh", "-c", f"echo x >> {tmp_path}/runs; sleep 60"]

    async def scenario(containers):
        await containers.put("g", command)
        await containers.group_in("Running")
        again = await containers.call("PUT", "g", body(command) | {"tags": {"a": "b"}}, status=200)
        refused = await containers.call("PUT", "g", body(["true"]), status=400)
        return again, refused

    again, refused = run_containers(scenario)
    assert again["tags"] == {"a": "b"}
    assert refused["error"]["code"] == "InvalidContainerGroupUpdate"
    assert (tmp_path / "runs").read_text() == "x\n"


COUNTING = ["sh", "-c", "echo x >> runs; test $(wc -l < runs) -ge 3"]


@pytest.mark.parametrize(("policy", "restarts", "state"), [("OnFailure", 2, "Succeeded"), ("Never", 0, "Failed")])
def test_a_container_that_fails_is_started_again_if_the_policy_says_so(
    run_containers, instance_view, policy, restarts, state, monkeypatch
):
    monkeypatch.setattr("localcloud.containers.runs.FIRST_RESTART_DELAY_S", 0.01)

    async def scenario(containers):
        await containers.put("g", COUNTING, policy=policy)
        return await containers.group_in(state)

    view = instance_view(run_containers(scenario))
    assert view["restartCount"] == restarts
    assert view.get("previousState", {}).get("exitCode") == (1 if restarts else None)
    assert next(event["count"] for event in view["events"] if event["name"] == "Started") == restarts + 1


def test_always_starts_again_even_what_ended_well(run_containers, instance_view, monkeypatch):
    monkeypatch.setattr("localcloud.containers.runs.FIRST_RESTART_DELAY_S", 0.01)

    async def scenario(containers):
        await containers.put("g", ["true"], policy="Always")

        async def again():
            view = instance_view(await containers.group("g"))
            return view if view["restartCount"] >= 2 else None

        return await containers.until(again)

    assert run_containers(scenario)["previousState"]["exitCode"] == 0


def test_a_stopped_group_can_be_started_and_restarted(run_containers, instance_view):
    async def scenario(containers):
        await containers.put("g", SLEEP)
        first = await containers.group_in("Running")
        await containers.call("POST", "g/stop", status=204)
        stopped = await containers.group_in("Stopped")
        await containers.call("POST", "g/start", status=204)
        second = await containers.group_in("Running")
        await containers.call("POST", "g/restart", status=204)

        async def newer():
            group = await containers.group_in("Running")
            begun = instance_view(group)["currentState"].get("startTime", "")
            return group if begun > instance_view(second)["currentState"]["startTime"] else None

        return first, stopped, await containers.until(newer)

    first, stopped, last = run_containers(scenario)
    assert instance_view(stopped)["currentState"]["exitCode"] == 143
    assert "Killing" in [event["name"] for event in instance_view(stopped)["events"]]
    assert instance_view(last)["previousState"]["exitCode"] == 143
    assert instance_view(last)["restartCount"] == instance_view(first)["restartCount"] == 0


def test_a_start_right_after_a_stop_is_not_lost(run_containers):
    async def scenario(containers):
        await containers.put("g", ["sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.01; done"])

        async def up():
            return "up" in await containers.log()

        await containers.until(up)
        await containers.call("POST", "g/stop")
        await containers.call("POST", "g/start")

        async def again():
            group = await containers.group("g")
            return "previousState" in group["properties"]["containers"][0]["properties"]["instanceView"]

        await containers.until(again)
        return await containers.group_in("Running")

    assert run_containers(scenario)["name"] == "g"


def test_a_deleted_group_is_gone_with_its_processes_and_logs(run_containers, instance_view):
    async def scenario(containers):
        await containers.put("ended", ["true"])
        await containers.group_in("Succeeded", "ended")
        await containers.call("DELETE", "ended", status=200)
        await containers.put("g", SLEEP)
        await containers.group_in("Running")
        answer = await containers.http.delete(
            "/subscriptions/SUB/resourcegroups/RG/providers/Microsoft.ContainerInstance/containerGroups/G"
            "?api-version=2023-05-01"
        )
        seen = []

        async def gone():
            seen.append((await containers.http.get(answer.headers["location"])).status_code)
            return seen[-1] != 202

        await containers.until(gone)
        await containers.call("DELETE", "g", status=204)
        await containers.call("GET", "g", status=404)
        left = list((containers.engine.context.settings.state / "groups").glob("*"))
        return answer.status_code, seen[0], seen[-1], left

    assert run_containers(scenario) == (202, 202, 204, [])


def test_logs_have_a_tail_and_timestamps(run_containers):
    async def scenario(containers):
        await containers.put("g", ["sh", "-c", "seq 5; printf 6"])
        await containers.group_in("Succeeded")
        return [await containers.log(query=query) for query in ("?tail=2", "?tail=0", "?tail=1&timestamps=true")]

    tail, none, stamped = run_containers(scenario)
    assert tail == "5\n6\n"
    assert none == ""
    stamp, _, text = stamped.partition(" ")
    assert (text, len(stamp)) == ("6\n", len("2025-01-01T00:00:00.000000000Z"))


def test_a_log_that_is_too_long_keeps_its_newest_lines(run_containers):
    async def scenario(containers):
        await containers.put(
            "g", ["sh", "-c", "yes 0123456789012345678901234567890123456789 | head -200000; echo last"]
        )
        await containers.group_in("Succeeded")
        path = containers.engine.context.folders.log(next(iter(containers.engine.context.groups)), "c0")
        return await containers.log(), path.stat().st_size

    log, size = run_containers(scenario)
    assert log.endswith("last\n")
    assert len(log) <= 4 * 2**20
    assert size <= 8 * 2**20 + 2**17
    assert set(log.splitlines()) == {"0123456789012345678901234567890123456789", "last"}


def test_containers_see_their_variables_and_secrets_and_nobody_is_shown_the_secrets(run_containers, body):
    group = body(["sh", "-c", "echo $PLAIN $SECRET $FROM_FILE"])
    variables = [{"name": "PLAIN", "value": "open"}, {"name": "SECRET", "secureValue": "s3cr3t"}]
    group["properties"]["containers"][0]["properties"]["environmentVariables"] = variables
    group["properties"]["imageRegistryCredentials"] = [{"server": "r", "username": "u", "password": "p4ss"}]
    identity = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i"
    group["identity"] = {"type": "UserAssigned", "userAssignedIdentities": {identity: {}}}

    async def scenario(containers):
        created = await containers.call("PUT", "g", group, status=201)
        shown = [created, await containers.group_in("Succeeded"), await containers.call("GET", "")]
        return await containers.log(), shown

    log, shown = run_containers(scenario, environment={"FROM_FILE": "file"})
    assert log == "open s3cr3t file\n"
    assert "s3cr3t" not in str(shown)
    assert "p4ss" not in str(shown)
    shown_variables = shown[1]["properties"]["containers"][0]["properties"]["environmentVariables"]
    assert shown_variables == [{"name": "PLAIN", "value": "open"}, {"name": "SECRET"}]
    assert set(shown[1]["identity"]["userAssignedIdentities"][identity]) == {"principalId", "clientId"}


def test_containers_of_a_group_share_an_empty_volume(run_containers, body):
    wait = "until test -e scratch/note; do sleep 0.01; done; cat scratch/note"
    group = body(["sh", "-c", "echo shared > scratch/note"], ["sh", "-c", wait])
    group["properties"]["volumes"] = [{"name": "v", "emptyDir": {}}]
    for container in group["properties"]["containers"]:
        container["properties"]["volumeMounts"] = [{"name": "v", "mountPath": "/scratch"}]

    async def scenario(containers):
        await containers.call("PUT", "g", group)
        await containers.group_in("Succeeded")
        return await containers.log(container="c1")

    assert run_containers(scenario) == "shared\n"


def test_lists_come_in_pages_without_state_for_a_resource_group_or_all(run_containers):
    async def scenario(containers):
        for name in ("b", "a", "c"):
            await containers.put(name, ["true"])
        other = "/subscriptions/sub/resourceGroups/other/providers/Microsoft.ContainerInstance/containerGroups"
        await containers.call("PUT", f"{other}/d", (await containers.group("a")) | {"id": "x", "name": "d"})
        pages, link = [], ""
        while link is not None:
            page = await containers.call("GET", link)
            pages.append([group["name"] for group in page["value"]])
            assert all("instanceView" not in group["properties"] for group in page["value"])
            link = page.get("nextLink")
        everything = await containers.call(
            "GET", "/subscriptions/sub/providers/Microsoft.ContainerInstance/containerGroups"
        )
        return pages, len(everything["value"])

    pages, _ = run_containers(scenario, page_size=2)
    _, count = run_containers(count_all)
    assert pages == [["a", "b"], ["c"]]
    assert count == 4


async def count_all(containers):
    found = await containers.call("GET", "/subscriptions/SUB/providers/Microsoft.ContainerInstance/containerGroups")
    return None, len(found["value"])


def test_tags_change_by_patch_and_nothing_else_does(run_containers):
    async def scenario(containers):
        await containers.put("g", SLEEP)
        group = await containers.call("PATCH", "g", {"tags": {"run": "r1"}}, status=200)
        await containers.call("PATCH", "g", {"properties": {}}, status=400)
        return group

    assert run_containers(scenario)["tags"] == {"run": "r1"}


def test_what_ran_when_the_emulator_ended_is_shown_killed_and_its_group_failed(run_containers, instance_view):
    async def before(containers):
        await containers.put("g", SLEEP)
        await containers.put("done", ["true"])
        await containers.group_in("Running")
        await containers.group_in("Succeeded", "done")

    async def after(containers):
        return await containers.group("g"), await containers.group("done"), await containers.log("done")

    run_containers(before)
    group, done, log = run_containers(after)
    assert group["properties"]["instanceView"]["state"] == "Failed"
    assert instance_view(group)["currentState"]["exitCode"] == 137
    assert done["properties"]["instanceView"]["state"] == "Succeeded"
    assert log == ""


def test_a_container_that_was_being_started_when_the_emulator_ended_counts_as_having_run(
    run_containers, instance_view, tmp_path
):
    async def before(containers):
        await containers.put("g", ["sh", "-c", f"echo x >> {tmp_path}/runs"])
        await containers.group_in("Succeeded")
        groups = containers.engine.context.groups
        group = next(iter(groups))
        groups.put(group.with_run(group.run("c0").creating()))  # as the disk says between order and confirmation

    async def after(containers):
        return await containers.group_in("Failed")

    run_containers(before)
    assert instance_view(run_containers(after))["currentState"]["exitCode"] == 137
    assert (tmp_path / "runs").read_text() == "x\n"


def test_what_is_always_to_run_runs_again_after_a_restart_and_what_was_stopped_does_not(run_containers, instance_view):
    async def before(containers):
        await containers.put("g", SLEEP, policy="Always")
        await containers.put("off", SLEEP, policy="Always")
        await containers.group_in("Running")
        await containers.group_in("Running", "off")
        await containers.call("POST", "off/stop")
        await containers.group_in("Stopped", "off")

    async def after(containers):
        return await containers.group_in("Running"), await containers.group("off")

    run_containers(before)
    group, off = run_containers(after)
    assert instance_view(group)["restartCount"] == 1
    assert instance_view(group)["previousState"]["exitCode"] == 137
    assert off["properties"]["instanceView"]["state"] == "Stopped"


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"osType": "Solaris"}, 400, "InvalidOsType"),
        ({"osType": "Windows"}, 501, "NotImplemented"),
        ({"containers": []}, 400, "InvalidRequestContent"),
        ({"initContainers": [{"name": "i", "properties": {}}]}, 501, "NotImplemented"),
        (
            {"volumes": [{"name": "v", "azureFile": {"shareName": "s", "storageAccountName": "a"}}]},
            501,
            "NotImplemented",
        ),
        ({"restartPolicy": "Sometimes"}, 400, "InvalidRequestContent"),
        ({"surprise": 1}, 400, "InvalidRequestContent"),
    ],
)
def test_a_group_that_azure_would_refuse_or_the_emulator_lacks_is_refused(run_containers, body, change, status, code):
    group = body(["true"])
    group["properties"] |= change

    async def scenario(containers):
        return await containers.call("PUT", "g", group, status=status)

    assert run_containers(scenario)["error"]["code"] == code


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"command": []}, 501),
        ({"livenessProbe": {"exec": {"command": ["true"]}}}, 501),
        ({"image": ""}, 400),
        ({"resources": {"requests": {"cpu": 0, "memoryInGB": 1}}}, 400),
        ({"environmentVariables": [{"name": "A", "value": "1", "secureValue": "2"}]}, 400),
        ({"volumeMounts": [{"name": "none", "mountPath": "/x"}]}, 400),
    ],
)
def test_a_container_that_makes_no_sense_here_is_refused(run_containers, body, change, status):
    group = body(["true"])
    group["properties"]["containers"][0]["properties"] |= change

    async def scenario(containers):
        return await containers.call("PUT", "g", group, status=status)

    assert run_containers(scenario)["error"]["message"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("identity", {"userAssignedIdentities": 1.5}),
        ("identity", "me"),
        ("tags", {"a": 1}),
        ("properties", None),
        ("location", {}),
        ("zones", "1"),
    ],
)
def test_a_member_of_the_wrong_kind_is_named(run_containers, body, name, value):
    async def scenario(containers):
        return await containers.call("PUT", "g", body(["true"]) | {name: value}, status=400)

    assert run_containers(scenario)["error"]["target"].startswith(name)


@pytest.mark.parametrize("path", ["/a/../../../x", "/..", "relative", "/", "/a:b"])
def test_a_mount_path_cannot_lead_out_of_the_containers_folder(run_containers, body, path):
    group = body(["true"])
    group["properties"]["volumes"] = [{"name": "v", "emptyDir": {}}]
    group["properties"]["containers"][0]["properties"]["volumeMounts"] = [{"name": "v", "mountPath": path}]

    async def scenario(containers):
        return await containers.call("PUT", "g", group, status=400)

    assert run_containers(scenario)["error"]["code"] == "InvalidRequestContent"


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "code"),
    [
        ("GET", "g?api-version=2023-05-01", {}, 404, "ResourceNotFound"),
        ("GET", "g", {}, 400, "MissingApiVersionParameter"),
        ("GET", "g?api-version=2018-10-01", {}, 400, "InvalidApiVersionParameter"),
        ("GET", "g?api-version=2023-05-01", {"authorization": ""}, 401, "AuthenticationFailed"),
        ("GET", "g?api-version=2023-05-01", {"host": "evil.example"}, 403, "Forbidden"),
        ("PUT", "UPPER_case?api-version=2023-05-01", {}, 400, "InvalidContainerGroupName"),
        ("POST", "g/containers/c/exec?api-version=2023-05-01", {}, 501, "NotImplemented"),
    ],
)
def test_what_is_wrong_is_refused_as_resource_manager_does(run_containers, body, method, path, headers, status, code):
    base = "/subscriptions/sub/resourceGroups/rg/providers/Microsoft.ContainerInstance/containerGroups"

    async def scenario(containers):
        content = {"json": body(["true"])} if method == "PUT" else {}
        return await containers.http.request(method, f"{base}/{path}", headers=headers, **content)

    answer = run_containers(scenario)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_scripted_faults_refuse_a_group_delay_its_pull_and_kill_its_container(run_containers, instance_view, body):
    rules = [
        {"on": "group_creating", "do": "fail", "match": "refused", "status": 409, "code": "ContainerGroupQuotaReached"},
        {"on": "container_starting", "do": "delay", "after_s": [0.2, 0.2]},
        {"on": "container_started", "do": "kill", "after_s": [0.0, 0.05]},
    ]

    async def scenario(containers):
        answer = await containers.http.put("/_emulator/faults", json={"seed": 3, "rules": rules})
        assert answer.is_success
        refused = await containers.call("PUT", "refused", body(["true"]), status=409)
        await containers.put("g", SLEEP)
        pending = await containers.group("g")
        return refused, pending, await containers.group_in("Failed")

    refused, pending, failed = run_containers(scenario)
    assert refused["error"]["code"] == "ContainerGroupQuotaReached"
    assert pending["properties"]["instanceView"]["state"] == "Pending"
    assert instance_view(pending)["currentState"]["state"] == "Waiting"
    assert instance_view(failed)["currentState"]["exitCode"] == 137


def test_the_end_of_a_container_is_known_at_once(run_containers):
    """From the end of a program to the group's state, nothing waits: the median of 20 runs is a few milliseconds."""
    stamp = ["python", "-S", "-c", "import time; print(time.time())"]

    async def scenario(containers):
        lags = []
        for number in range(20):
            await containers.put(f"g{number}", stamp)
            group = await containers.group_in("Succeeded", f"g{number}")
            finished = group["properties"]["containers"][0]["properties"]["instanceView"]["currentState"]["finishTime"]
            lags.append((finished, float(await containers.log(f"g{number}"))))
        return lags

    lags = sorted(datetime.fromisoformat(at).timestamp() - printed for at, printed in run_containers(scenario))
    assert lags[10] < 0.05
