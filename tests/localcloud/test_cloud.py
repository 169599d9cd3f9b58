"""The whole local cloud: one command up, one Ctrl-C down, and every kind of death in between."""

import base64
import json
import os
import signal
import stat
import subprocess
import sys
import time

import httpx
import pytest
from azure.batch import BatchClient
from azure.core.credentials import AzureNamedKeyCredential
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueClient, QueueServiceClient
from clouds import LocalCloud, command, local_cloud, marked, new_home, up_arguments
from hosting import ROOT
from observing import is_running

from dropscore.contracts.names import Account, ContainerName, QueueName

pytestmark = [
    pytest.mark.azurite,
    pytest.mark.localcloud,
    pytest.mark.xdist_group("cloud"),
    pytest.mark.timeout(240),
]

START_LIMIT_S = 60
"""For this machine under load; what is aimed at is measured in a test of its own."""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    """One cloud for the tests that do not harm it."""
    with local_cloud(new_home(tmp_path_factory.mktemp("cloud"))) as running:
        deadline = time.monotonic() + START_LIMIT_S
        while not running.ready:
            assert time.monotonic() < deadline, "".join(running.lines)
            time.sleep(0.02)
        yield running


@pytest.fixture
def start(tmp_path, wait_until):
    """Start the cloud of this test's folder, wait until it is ready, and run a test's steps with it."""
    home = new_home(tmp_path / "home")

    def starter(*arguments):
        return local_cloud(home, *arguments)

    return starter


def run(cloud: LocalCloud, name, instance_id, payload):
    answer = httpx.post(f"{cloud.written['api_url']}/api/{name}/{instance_id}", json=payload, timeout=20)
    assert answer.status_code == 202, answer.text


def kill_and_await(cloud, name, wait_until):
    """Kill a process and wait for its successor."""
    killed = cloud.pid(name)
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: cloud.pid(name) != killed and cloud.said(f"{name} is up again."), within_s=START_LIMIT_S)


def test_it_is_ready_within_ten_seconds(cloud):
    (line,) = [line for line in cloud.lines if line.startswith("Ready in")]
    assert float(line.split()[2]) < 10


def test_every_endpoint_is_printed(cloud):
    written = cloud.written
    for name in ("api", "batch", "arm"):
        assert cloud.said(written["endpoints"][name])
    assert cloud.said(f"[POST] {written['api_url']}/api/echo/{{name}}")
    assert cloud.said("blobTrigger triggers/{name}")
    assert cloud.said("queueTrigger run-events")
    assert cloud.said("dropscoredata")
    assert cloud.said("dropscoresystem")


def test_all_containers_and_queues_exist_in_their_accounts(cloud):
    for account, name in ((Account.DATA, "DataStorage"), (Account.SYSTEM, "SystemStorage")):
        connection = cloud.written["settings"][name]
        with BlobServiceClient.from_connection_string(connection) as blobs:
            assert {c.name for c in blobs.list_containers()} == {c for c in ContainerName if c.account is account}
        with QueueServiceClient.from_connection_string(connection) as queues:
            assert {q.name for q in queues.list_queues()} == {q for q in QueueName if q.account is account}


def test_the_pool_exists_with_its_node(cloud, wait_until):
    settings = cloud.written["settings"]
    credential = AzureNamedKeyCredential(settings["BatchAccountName"], settings["BatchAccountKey"])
    with BatchClient(settings["BatchAccountUrl"], credential) as batch:
        assert batch.get_pool(settings["BatchPoolId"]).id == "local"
        wait_until(lambda: [node.state for node in batch.list_nodes("local")] == ["idle"])


def test_a_dropped_file_calls_the_function(cloud, wait_until):
    with BlobServiceClient.from_connection_string(cloud.written["settings"]["DataStorage"]) as blobs:
        blobs.get_blob_client("triggers", "a.json").upload_blob(b"{}")
        wait_until(lambda: cloud.notes.all("blob", name="triggers/a.json"))


@pytest.mark.fault(56)
def test_what_holds_keys_is_readable_by_its_owner_alone(cloud):
    for path in (cloud.home.cloud_file, cloud.home.settings_file, cloud.home.root / "batch-key"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_second_up_says_who_is_running(cloud):
    second = subprocess.run(
        command(cloud.home, "up"), cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert second.returncode == 3
    assert f"is running: {cloud.written['api_url']} (process {cloud.process.pid}, since 2" in second.stderr


def test_status_lists_the_processes(cloud):
    shown = subprocess.run(
        command(cloud.home, "status"), cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert shown.returncode == 0
    for name in ("azurite", "host", "batch", "containers"):
        assert f"{name:<10}  process {cloud.pid(name)}" in shown.stdout


@pytest.mark.parametrize("name", ["host", "batch", "containers"])
def test_a_killed_process_is_started_again(cloud, wait_until, name):
    kill_and_await(cloud, name, wait_until)
    assert cloud.said(f"{name} was ended by signal 9; it is started again in 0.2 s.")
    assert httpx.get(f"{cloud.written['api_url']}/api/nothing", timeout=20).text == "just text"


def test_an_orchestration_outlives_its_host(cloud, wait_until):
    run(cloud, "gated", "outlives", {"gate": "gate-outlives"})
    wait_until(lambda: cloud.notes.all("look", gate="gate-outlives"))
    before = cloud.notes.all("look", gate="gate-outlives")[0]["pid"]
    os.kill(cloud.pid("host"), signal.SIGKILL)
    wait_until(
        lambda: any(note["pid"] != before for note in cloud.notes.all("look", gate="gate-outlives")),
        within_s=START_LIMIT_S,
    )
    (cloud.home.root / "gate-outlives").touch()
    journal = cloud.home.root / "host" / "durable.jsonl"
    wait_until(lambda: '"end":"outlives","status":"COMPLETED"' in journal.read_text())


def test_ctrl_c_ends_everything_within_seconds_and_leaves_no_process(start, wait_until):
    with start() as cloud:
        wait_until(lambda: cloud.ready, within_s=START_LIMIT_S)
        assert len(cloud.left()) >= 5
        begun = time.monotonic()
        os.killpg(cloud.process.pid, signal.SIGINT)
        assert cloud.ended() == 0
        assert time.monotonic() - begun < 10
        assert cloud.left() == []
        assert cloud.written == {}, "what tells the command line where it is"
    assert cloud.said("Stopped.")


def test_ctrl_c_during_the_start_ends_everything_too(start, wait_until):
    with start() as cloud:
        wait_until(lambda: len(cloud.left()) >= 4, within_s=START_LIMIT_S)
        os.killpg(cloud.process.pid, signal.SIGINT)
        assert cloud.ended() == 0
        assert cloud.left() == []


def test_all_die_with_a_killed_supervisor_and_nothing_is_lost(start, wait_until):
    with start() as first:
        wait_until(lambda: first.ready, within_s=START_LIMIT_S)
        connection = first.written["settings"]["SystemStorage"]
        with QueueClient.from_connection_string(connection, "shards-normal") as queue:
            for number in range(20):
                queue.send_message(base64.b64encode(b"%d" % number).decode())
        os.kill(first.process.pid, signal.SIGKILL)
        wait_until(lambda: not first.left(), within_s=START_LIMIT_S)
    with start() as second:
        wait_until(lambda: second.ready, within_s=START_LIMIT_S)
        assert not second.said("E-EMULATOR-LOSS")
        assert second.written["settings"]["SystemStorage"] == connection, "the same address and key"
        with QueueClient.from_connection_string(connection, "shards-normal") as queue:
            assert queue.get_queue_properties().approximate_message_count == 20


def test_orchestrations_go_on_after_everything_was_killed_at_once(start, wait_until):
    with start() as first:
        wait_until(lambda: first.ready, within_s=START_LIMIT_S)
        for number in range(3):
            run(first, "gated", f"killed-{number}", {"gate": "gate"})
        wait_until(lambda: len(first.notes.all("look")) > 10)
        for pid in first.left():
            os.kill(pid, signal.SIGSTOP)
        for pid in first.left():
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not first.left(), within_s=START_LIMIT_S)
    with start() as second:
        (second.home.root / "gate").touch()
        journal = second.home.root / "host" / "durable.jsonl"
        wait_until(lambda: second.ready, within_s=START_LIMIT_S)
        wait_until(lambda: journal.read_text().count('"status":"COMPLETED"') == 3)


def test_a_killed_azurite_is_started_again_and_its_loss_is_said(start, wait_until):
    with start() as cloud:
        wait_until(lambda: cloud.ready, within_s=START_LIMIT_S)
        with BlobServiceClient.from_connection_string(cloud.written["settings"]["DataStorage"]) as blobs:
            # A save may come between the write and the kill; then there is nothing to lose, and we try again.
            while not cloud.said("E-EMULATOR-LOSS: Azurite was killed, and 1 blobs and 0 messages"):
                blobs.get_blob_client("inputs", "x").upload_blob(b"x", overwrite=True)
                kill_and_await(cloud, "azurite", wait_until)
        records = [json.loads(line) for line in cloud.home.log("losses").read_text().splitlines()]
        assert records[-1]["code"] == "E-EMULATOR-LOSS"
        assert records[-1]["names"] == ["dropscoredata/inputs/x"]
        with BlobServiceClient.from_connection_string(cloud.written["settings"]["DataStorage"]) as blobs:
            blobs.get_blob_client("triggers", "after").upload_blob(b"x")
            wait_until(lambda: cloud.notes.all("blob", name="triggers/after"), within_s=8)  # a listing would take 10 s
        assert httpx.get(f"{cloud.written['api_url']}/api/nothing", timeout=20).text == "just text"


def test_commands_after_the_start_run_and_their_failure_is_said(start, wait_until):
    script = "import json,os; print(json.load(open(os.environ['DROPSCORE_LOCAL'] + '/cloud.json'))['api_url'])"
    with start("--after-start", f'python -c "{script}"', "--after-start", "python -c exit(7)") as cloud:
        wait_until(lambda: cloud.ready, within_s=START_LIMIT_S)
        assert cloud.said(f"after      | {cloud.written['api_url']}")
        assert cloud.said("`python -c exit(7)` ended with exit code 7.")


def test_an_app_that_cannot_be_loaded_ends_the_start_with_the_reason(tmp_path):
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "function_app.py").write_text("import nowhere\n")
    with local_cloud(new_home(tmp_path / "home"), app=tmp_path / "app") as cloud:
        assert cloud.ended(START_LIMIT_S) == 1
        assert cloud.said("No module named 'nowhere'")
        assert cloud.said("The local cloud did not start: host ended with exit code 1 before it was ready.")
        assert cloud.left() == []


def test_up_detached_down_and_up_again(tmp_path):
    home = new_home(tmp_path / "home")
    environment = {**os.environ, "SAMPLE_CLOUD": home.root.name + str(os.getpid())}

    def call(verb, *arguments):
        return subprocess.run(
            command(home, verb, *arguments),
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    try:
        started = call("up", "--detach", *up_arguments(home))
        assert started.returncode == 0, started.stderr
        assert "Ready in" in started.stdout
        assert call("status").returncode == 0
        assert call("up", "--detach").returncode == 3
        ended = call("down")
        assert (ended.returncode, ended.stdout) == (0, "The local cloud is down.\n")
        assert marked(environment["SAMPLE_CLOUD"]) == []
        assert call("status").returncode == 3
        assert "No local cloud is running" in call("down").stdout
    finally:
        for pid in marked(environment["SAMPLE_CLOUD"]):
            os.kill(pid, signal.SIGKILL)


def test_a_lock_left_by_a_killed_supervisor_is_nobody(tmp_path):
    home = new_home(tmp_path / "home")
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with other:
        home.supervisor_lock.write_text(json.dumps({"pid": other.pid, "since": "2026-01-01T00:00:00Z"}))
        ended = subprocess.run(command(home, "down"), cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
        assert "No local cloud is running" in ended.stdout
        assert is_running(other.pid), "a process that happens to have the number of an old supervisor is left alone"
        other.kill()
