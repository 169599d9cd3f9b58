"""A whole local cloud for the latency benchmark, in a folder of its own: what is dropped into it, and what its storage
tells of every write.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path

from azure.storage.blob import BlobServiceClient

from dropscore.cloud.connect import connect_storage
from dropscore.cloud.ports import Cloud
from dropscore.cloud.settings import AppSettings
from dropscore.contracts import layout
from dropscore.contracts.codec import decode
from dropscore.contracts.identity import run_id_of_trigger
from dropscore.contracts.names import ContainerName
from dropscore.contracts.run import RunState, RunStatus
from dropscore.contracts.verdict import Verdict
from localcloud.home import Home, Ports

ROOT = Path(__file__).resolve().parent.parent
START_LIMIT_S = 120.0
RUN_LIMIT_S = 120.0
STOP_LIMIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Write:
    """A write that storage acknowledged: seconds of the wall clock, and `container/name` or the queue's name."""

    at: float
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """A trigger: just before it was put, in seconds of the wall clock, and the run it starts."""

    at: float
    run_id: str


@dataclass(kw_only=True)
class TriggerCloud:
    """A running cloud."""

    app: AppSettings
    cloud: Cloud
    events_url: str
    api_url: str
    processes: Mapping[str, int]
    """Process ids by the name of the part."""
    data_connection: str = field(repr=False)
    writes: list[Write] = field(default_factory=list)

    def requests(self) -> int:
        """Requests that storage has had so far."""
        with urllib.request.urlopen(self.events_url.replace("/events", "/requests"), timeout=10) as answer:
            return int(answer.read())

    def drop(self, name: str, text: bytes) -> Dropped:
        """Drop a trigger as anybody would, with Azure's client alone."""
        with BlobServiceClient.from_connection_string(self.data_connection) as service:
            trigger = service.get_blob_client(ContainerName.TRIGGERS, name)
            trigger.exists()  # the connection stands, as that of a program that has just uploaded the input does
            dropped_at = time.time()
            etag = trigger.upload_blob(text)["etag"]
        return Dropped(at=dropped_at, run_id=run_id_of_trigger(self.app.data.account, name, etag))

    def wait_for_end(self, run_id: str) -> None:
        """Wait until a run has succeeded. Storage is not asked before it tells that the outputs are published."""
        deadline = time.monotonic() + RUN_LIMIT_S
        published = str(layout.output_manifest(run_id))
        while time.monotonic() < deadline:
            if any(write.name == published for write in self.writes):
                state = decode(RunState, self.cloud.blobs.get(layout.state(run_id)).data)
                if state.status.ended:
                    assert state.status is RunStatus.SUCCEEDED, state
                    return
            time.sleep(0.1)
        raise TimeoutError(run_id)

    def started_at(self, run_id: str) -> float:
        """When the first shard of a run was begun, in seconds of the wall clock."""
        verdict = decode(Verdict, self.cloud.blobs.get(layout.verdict(run_id, 0)).data)
        return datetime.fromisoformat(verdict.started_at).timestamp()

    def first_write(self, name: str, since: float) -> float:
        """When storage acknowledged the first write of this name after `since`, in seconds of the wall clock."""
        return min(write.at for write in self.writes if write.name == name and write.at >= since)

    def follow(self) -> None:
        """Note every write that storage tells of, as long as this process lives."""
        stream = urllib.request.urlopen(self.events_url, timeout=60)
        threading.Thread(target=self._note, args=(stream,), daemon=True).start()

    def _note(self, stream: Iterator[bytes]) -> None:
        try:
            for line in stream:
                event = json.loads(line)
                if event["change"] == "blob":
                    self.writes.append(Write(time.time(), f"{event['container']}/{event['name']}"))
                elif event["change"] == "message":
                    self.writes.append(Write(time.time(), event["queue"]))
        except OSError:
            return  # the cloud was stopped


@contextmanager
def trigger_cloud(*workloads: Path) -> Iterator[TriggerCloud]:
    """Start a cloud on free ports with the models that ship, and the workloads registered in these folders; it is
    stopped, and its folder removed, in the end.
    """
    with tempfile.TemporaryDirectory(prefix="dropscore-bench-") as folder:
        home = Home(Path(folder))
        home.ports_file.write_text(json.dumps(dict.fromkeys(asdict(Ports()), 0)))
        command = [sys.executable, "-m", "localcloud", "up", "--home", folder, "--app", str(ROOT)]
        with (home.root / "up.log").open("wb") as log:
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, workloads))} if workloads else None
            process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            yield _connected(_wait_until_ready(home, process))
        finally:
            process.terminate()
            process.wait(STOP_LIMIT_S)


def _wait_until_ready(home: Home, process: "subprocess.Popen[bytes]") -> Mapping[str, object]:
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline and process.poll() is None:
        if home.cloud_file.exists() and (written := json.loads(home.cloud_file.read_text()))["ready"]:
            return dict(written)
        time.sleep(0.1)
    raise RuntimeError((home.root / "up.log").read_text())


def _connected(written: Mapping[str, object]) -> TriggerCloud:
    settings, endpoints, processes = written["settings"], written["endpoints"], written["processes"]
    assert isinstance(settings, dict)
    assert isinstance(endpoints, dict)
    assert isinstance(processes, dict)
    app = AppSettings.from_env(settings)
    found = TriggerCloud(
        app=app,
        cloud=connect_storage(app.data, app.system),
        events_url=endpoints["events"],
        api_url=str(written["api_url"]),
        processes=processes,
        data_connection=settings["DataStorage"],
    )
    found.follow()
    return found
