"""The command line with nothing but an address and a key: no storage settings, no folder of a local cloud."""

import hashlib
import json
import os
import subprocess
import sys
import time

import pytest
from clouds import local_cloud, new_home
from hosting import ROOT
from main_job import MainJob, small_picture

from dropscore.contracts.names import ContainerName
from dropscore.contracts.receipt import Receipt

pytestmark = [
    pytest.mark.azurite,
    pytest.mark.localcloud,
    pytest.mark.slow,
    pytest.mark.xdist_group("command-by-address"),
    pytest.mark.timeout(240),
]

START_LIMIT_S = 60
LARGE_BYTES = 70 * 1024 * 1024


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    """A cloud that asks callers for a key."""
    home = new_home(tmp_path_factory.mktemp("cloud"))
    with local_cloud(home, "--set=WorkerDevice=cpu", "--enable-auth", app=ROOT) as cloud:
        deadline = time.monotonic() + START_LIMIT_S
        while not cloud.ready:
            assert time.monotonic() < deadline, "".join(cloud.lines)
            time.sleep(0.02)
        yield MainJob.of(cloud)


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """A folder that no local cloud knows, with pictures to restyle."""
    folder = tmp_path_factory.mktemp("elsewhere")
    (folder / "photos").mkdir()
    for name in ("ä 1.png", "b#2.png"):
        (folder / "photos" / name).write_bytes(small_picture())
    return folder


@pytest.fixture(scope="module")
def call(job, elsewhere):
    """Calls the command there; the environment has a key, and no setting of any storage."""

    def call(*arguments, key=job.cloud.written["settings"]["DROPSCORE_KEY"]):
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        return subprocess.run(
            [sys.executable, "-m", "dropscore.cli", "--url", job.cloud.written["api_url"], *arguments],
            cwd=elsewhere,
            env=kept | {"PYTHONPATH": str(ROOT), "DROPSCORE_KEY": key},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return call


@pytest.fixture(scope="module")
def run_id(call):
    """A run of the folder that was started so and has succeeded."""
    done = call("run", "photos", "--workload", "style_transfer", "--watch", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    last = json.loads(done.stdout.splitlines()[-1])
    assert (last["status"], last["items_done"]) == ("succeeded", 2)
    return last["run_id"]


def test_outputs_are_downloaded_over_links(call, elsewhere, run_id, job):
    done = call("download", run_id, "--to", "here")
    assert done.returncode == 0, done.stderr
    fetched = {file.name: file.read_bytes() for file in (elsewhere / "here").iterdir()}
    published = job.outputs(run_id)
    assert len(published) == 2
    assert {name: fetched[name] for name in published} == published
    assert set(fetched) == {*published, "report.html", "receipt.json"}
    assert Receipt.model_validate_json(fetched["receipt.json"]).run_id == run_id


def test_outputs_inputs_and_model_are_verified_over_the_api(call, run_id):
    done = call("verify", run_id, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    checks = json.loads(done.stdout)["checks"]
    assert sorted(check["what"] for check in checks) == ["input", "input", "manifest", "model", "output", "output"]


def test_logs_and_models_are_shown(call, run_id):
    lines = [json.loads(line) for line in call("logs", run_id, "--json").stdout.splitlines()]
    assert "Scored a shard." in [line["message"] for line in lines]
    models = json.loads(call("models", "list", "--json").stdout)["models"]
    assert "mosaic-night" in {model["name"] for model in models}
    shown = call("models", "show", "mosaic-night")
    assert "transformer_net" in shown.stdout


def test_a_large_file_arrives_whole_in_blocks(call, elsewhere, job):
    large = elsewhere / "large.png"
    piece = os.urandom(1024 * 1024)
    with large.open("wb") as file:
        for _ in range(LARGE_BYTES // len(piece)):
            file.write(piece)
    done = call("run", "large.png", "--workload", "style_transfer", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    (blob,) = [
        one for one in job.service.get_container_client(ContainerName.INPUTS).list_blobs() if "large" in one.name
    ]
    stored = job.service.get_blob_client(ContainerName.INPUTS, blob.name).download_blob().readall()
    with large.open("rb") as file:
        assert hashlib.sha256(stored).hexdigest() == hashlib.file_digest(file, "sha256").hexdigest()


def test_what_needs_storage_itself_says_which_setting_is_missing(call):
    done = call("run", "photos", "--workload", "style_transfer", "--trigger")
    assert (done.returncode, done.stderr.split()[:2]) == (6, ["E-SETTINGS-INVALID", "DataStorage"])


def test_a_wrong_key_is_told_with_what_to_set(call):
    done = call("runs", key="wr0ng-k3y")
    assert done.returncode == 6
    assert "DROPSCORE_KEY" in done.stderr
    assert "wr0ng" not in done.stdout + done.stderr
