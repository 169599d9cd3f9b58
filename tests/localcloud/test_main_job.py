"""The main job on one machine: a trigger file is dropped, and the stylised video appears, whatever dies meanwhile."""

import json
import os
import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from pathlib import Path

import pytest
from azure.storage.blob import BlobBlock
from clouds import local_cloud, new_home
from hosting import ROOT
from main_job import FRAMES, MainJob, small_picture, write_clip

from demo.check import compare
from dropscore.contracts import layout
from dropscore.contracts.codec import decode
from dropscore.contracts.failures import Code
from dropscore.contracts.identity import run_id_of_trigger
from dropscore.contracts.layout import BlobPath
from dropscore.contracts.names import ContainerName, QueueName
from dropscore.contracts.run import Rejection, RunStatus

pytestmark = [
    pytest.mark.azurite,
    pytest.mark.localcloud,
    pytest.mark.slow,
    pytest.mark.xdist_group("main-job"),
    pytest.mark.timeout(240),
]

START_LIMIT_S = 60
SHARDS = 8
POLICY = {"target_shard_s": 0.5, "lease_s": 2}
"""Shards as short as they get, and leases that are soon over."""
PICTURE = {"workload": "style_transfer", "inputs": ["small.png"]}
FILM = {"workload": "style_transfer", "inputs": ["film.mp4"], "policy": POLICY}


KEY = re.compile("AccountKey=([^;]+)")


def memory_mb(pid, field="VmRSS"):
    """Memory of a process; as `VmHWM` the most since this was last asked as `VmRSS`."""
    folder = Path(f"/proc/{pid}")
    line = next(one for one in (folder / "status").read_text().splitlines() if one.startswith(field))
    if field == "VmRSS":
        (folder / "clear_refs").write_text("5")
    return int(line.split()[1]) // 1024


def listening_of(pid):
    """The addresses and ports at which a process listens."""
    try:
        sockets = {link.readlink().name for link in Path(f"/proc/{pid}/fd").iterdir()}
    except OSError:
        return
    for table, words in (("tcp", 1), ("tcp6", 4)):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets:
                raw = bytes.fromhex(fields[1].split(":")[0])
                address = ip_address(b"".join(raw[4 * word : 4 * word + 4][::-1] for word in range(words)))
                yield str(address), fields[1].split(":")[1]


def told_in(job):
    """Every text that somebody may read: logs, what is on record of runs but their requests, messages, history."""
    for file in [*job.cloud.home.folder("logs").iterdir(), job.cloud.home.root / "host" / "durable.jsonl"]:
        yield str(file), file.read_bytes()
    yield "terminal", "".join(job.cloud.lines).encode()
    for container in (ContainerName.LOGS, ContainerName.RUNS, ContainerName.REJECTED):
        for name in job.names(BlobPath(container, "")):
            if not name.endswith("/request.json"):  # kept as it came, for the system account's eyes alone
                yield f"{container}/{name}", job.storage.blobs.get(BlobPath(container, name)).data
    for queue in QueueName:
        for message in job.storage.queue.peek(queue, count=32):
            yield f"a message on {queue}", message.body


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """A film with sound."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    write_clip(path)
    return path


@pytest.fixture(scope="module")
def job(tmp_path_factory, film):
    """One cloud for all tests, with the inputs uploaded."""
    with local_cloud(new_home(tmp_path_factory.mktemp("cloud")), "--set=WorkerDevice=cpu", app=ROOT) as cloud:
        deadline = time.monotonic() + START_LIMIT_S
        while not cloud.ready:
            assert time.monotonic() < deadline, "".join(cloud.lines)
            time.sleep(0.02)
        job = MainJob.of(cloud)
        job.upload("film.mp4", film.read_bytes())
        job.upload("small.png", small_picture())
        yield job


@pytest.fixture(scope="module")
def undisturbed(job):
    """What the film becomes when nothing happens to its run."""
    run_id = job.drop("undisturbed.json", json.dumps(FILM).encode())
    assert job.end(run_id).status is RunStatus.SUCCEEDED
    return job.outputs(run_id)


@pytest.fixture
def midway(job, undisturbed, wait_until):
    """Start a run of the film, and come back once some of its shards have been scored and others have not."""

    def start(name):
        run_id = job.drop(name, json.dumps(FILM).encode())
        wait_until(lambda: job.verdicts(run_id) > 0, within_s=START_LIMIT_S)
        return run_id

    return start


def test_a_dropped_film_comes_back_styled_with_its_frames_times_and_sound(undisturbed, film, tmp_path):
    assert set(undisturbed) == {"film-styled.mp4", "film-side-by-side.mp4"}
    styled = tmp_path / "styled.mp4"
    styled.write_bytes(undisturbed["film-styled.mp4"])
    checks = {check.name: check for check in compare(film, styled)}
    assert {name: check.passed for name, check in checks.items()} == dict.fromkeys(
        ("frames", "times", "size", "sound"), True
    )
    assert checks["frames"].detail == f"{FRAMES} of {FRAMES}"
    assert "bit for bit" in checks["sound"].detail


def test_a_trigger_that_is_only_the_name_of_a_folder_restyles_the_pictures_in_it(job):
    for name in ("1.png", "2.png"):
        job.upload(f"holiday/{name}", small_picture())
    run_id = job.drop("holiday", b"holiday\n")
    assert job.end(run_id).status is RunStatus.SUCCEEDED
    assert set(job.outputs(run_id)) == {"1.png", "2.png"}


def test_an_event_that_comes_ten_times_at_once_starts_one_run(job):
    run_id = job.drop("doubled.json", json.dumps(PICTURE).encode())
    url = job.service.get_blob_client(ContainerName.TRIGGERS, "doubled.json").url
    event = [{"eventType": "Microsoft.Storage.BlobCreated", "data": {"url": url}}]
    address = "/runtime/webhooks/blobs?functionName=Host.Functions.on_trigger"
    with ThreadPoolExecutor(10) as side:
        answers = list(side.map(lambda _: job.post(address, json=event).status_code, range(10)))
    assert set(answers) == {200}
    assert job.end(run_id).status is RunStatus.SUCCEEDED
    assert [record.run_id for record in job.records() if record.source.trigger_name == "doubled.json"] == [run_id]


def test_twenty_calls_with_one_key_at_once_start_one_run(job):
    with ThreadPoolExecutor(20) as side:
        calls = [
            side.submit(job.post, "/api/v1/runs", json=PICTURE, headers={"Idempotency-Key": "twenty"})
            for _ in range(20)
        ]
        answers = [call.result() for call in calls]
    assert {answer.status_code for answer in answers} == {202}
    (run_id,) = {answer.json()["run_id"] for answer in answers}
    assert job.end(run_id).status is RunStatus.SUCCEEDED
    assert [record.run_id for record in job.records() if record.source.idempotency_key == "twenty"] == [run_id]
    assert job.post("/api/v1/runs", json=FILM, headers={"Idempotency-Key": "twenty"}).status_code == 409


def test_a_trigger_that_cannot_be_done_is_rejected_under_its_own_name_with_field_and_fix(job):
    run_id = job.drop("bad.json", json.dumps(PICTURE | {"options": {"strenght": 0.5}}).encode())
    assert job.end(run_id).status is RunStatus.REJECTED
    rejection = decode(Rejection, job.storage.blobs.get(layout.rejected("bad.json")).data)
    (why,) = rejection.failures
    assert (rejection.run_id, why.field) == (run_id, "options.strenght")
    assert "strength" in why.action


@pytest.mark.fault(7)
def test_a_trigger_of_a_gigabyte_is_refused_by_its_length_alone(job):
    blob = job.service.get_blob_client(ContainerName.TRIGGERS, "huge.json")
    blob.stage_block("MDAw", bytes(4 << 20))
    before = memory_mb(job.cloud.pid("host"))
    etag = blob.commit_block_list([BlobBlock("MDAw")] * 256)["etag"]
    assert blob.get_blob_properties().size == 1 << 30
    run_id = run_id_of_trigger(job.app.data.account, "huge.json", etag)
    assert job.end(run_id).status is RunStatus.REJECTED
    assert memory_mb(job.cloud.pid("host"), "VmHWM") - before <= 20
    (why,) = decode(Rejection, job.storage.blobs.get(layout.rejected("huge.json")).data).failures
    assert why.code is Code.REQUEST_TOO_LARGE
    blob.delete_blob()


@pytest.mark.fault(66)
def test_no_process_of_the_cloud_listens_to_other_machines(job):
    listening = {address for pid in job.cloud.left() for address in listening_of(pid)}
    assert len(listening) >= 4, "host, both emulators, storage"
    assert {one for one in listening if not ip_address(one[0]).is_loopback} == set()


@pytest.mark.fault(56)
def test_no_secret_is_found_where_things_are_told(job):
    """Secrets of the cloud's own, and some that callers put where they do not belong, in every place that is read."""
    settings = job.cloud.written["settings"]
    secrets = [key for name in ("DataStorage", "SystemStorage") for key in KEY.findall(settings[name])]
    secrets.append(settings["BatchAccountKey"])
    planted = [f"CANARY{number:02d}" for number in range(9)]
    signed = "https://elsewhere.blob.core.windows.net/inputs/film.mp4?sv=2025&sig="
    told = [
        PICTURE | {"inputs": [signed + planted[0]]},
        PICTURE | {"inputs": [f"film.mp4?code={planted[1]}"]},
        PICTURE | {"options": {"style_image": signed + planted[2], "method": "optimisation"}},
        PICTURE | {"options": {"preset": f"AccountKey={planted[3]};"}},
        PICTURE | {"model": f"https://me:{planted[4]}@example.org/model"},
    ]
    runs = [job.drop(f"told-{number}.json", json.dumps(one).encode()) for number, one in enumerate(told)]
    headers = {"x-functions-key": planted[5], "Authorization": f"Bearer {planted[6]}"}
    answers = [job.post(f"/api/v1/runs?code={planted[7]}", json=PICTURE, headers=headers)]
    answers.append(job.post("/api/v1/runs", json=PICTURE | {"inputs": [signed + planted[8]]}))
    for run_id in runs:
        assert job.end(run_id).status is RunStatus.REJECTED
    places = dict(told_in(job)) | {f"answer {number}": answer.content for number, answer in enumerate(answers)}
    assert len(places) > 10
    found = [(one, place) for one in (*secrets, *planted) for place, text in places.items() if one.encode() in text]
    assert found == []


def test_a_functions_host_killed_midway_changes_no_byte(job, midway, undisturbed):
    run_id = midway("host-dies.json")
    killed = job.cloud.pid("host")
    os.kill(killed, signal.SIGKILL)
    assert job.verdicts(run_id) < SHARDS
    assert job.end(run_id).status is RunStatus.SUCCEEDED
    assert job.cloud.pid("host") != killed
    assert job.outputs(run_id) == undisturbed


def test_a_worker_killed_midway_changes_no_byte(job, midway, undisturbed):
    run_id = midway("worker-dies.json")
    killed = job.workers()
    job.kill_workers()
    assert killed
    assert job.verdicts(run_id) < SHARDS
    assert job.end(run_id).status is RunStatus.SUCCEEDED
    assert not set(killed) & set(job.workers())
    assert job.outputs(run_id) == undisturbed


def test_a_run_cancelled_midway_leaves_nothing_that_costs_or_lies(job, midway, wait_until):
    run_id = midway("cancelled.json")
    assert job.post(f"/api/v1/runs/{run_id}/cancel").status_code == 202
    begun = time.monotonic()
    assert job.end(run_id).status is RunStatus.CANCELLED
    wait_until(lambda: job.messages() == 0 and job.tasks() == 0 and not job.workers(), within_s=START_LIMIT_S)
    wait_until(lambda: not job.names(layout.parts_prefix(run_id)), within_s=START_LIMIT_S)
    assert time.monotonic() - begun < 10
    assert job.groups() == ()
    assert job.names(BlobPath(ContainerName.OUTPUTS, f"{run_id}/")) == []
