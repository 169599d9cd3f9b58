"""Runs the local Functions host, as a process, on the sample app."""

import contextlib
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from durabletask.client import OrchestrationState, TaskHubGrpcClient
from durabletask.grpc_options import GrpcChannelOptions
from observing import Notes

from localcloud.azurite import AzuriteEndpoints

SAMPLE_APP = Path(__file__).parent / "sample_app"
ROOT = Path(__file__).resolve().parents[2]
START_LIMIT_S = 30


@dataclass(kw_only=True)
class Host:
    """A running host."""

    process: "subprocess.Popen[str]"
    url: str
    notes: Notes
    durable: TaskHubGrpcClient
    opening: list[str]
    """What it printed before it was ready."""
    log: list[str] = field(default_factory=list)
    http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=20))

    def start(self, name: str, instance_id: str, payload: Any) -> None:
        """Start an orchestration through the app."""
        answer = self.http.post(f"{self.url}/api/{name}/{instance_id}", json=payload)
        assert answer.status_code == 202, answer.text

    def wait(self, instance_id: str, *, limit_s: float = 20) -> OrchestrationState:
        """Wait for the end of an orchestration."""
        state = self.durable.wait_for_orchestration_completion(instance_id, timeout=limit_s)
        assert state is not None, f"there is no orchestration {instance_id}"
        return state

    def kill(self) -> None:
        """End it without any warning."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@contextlib.contextmanager
def running_host(
    folder: Path,
    azurite: AzuriteEndpoints,
    *,
    app: Path = SAMPLE_APP,
    events: bool = True,
    arguments: tuple[str, ...] = (),
    **settings: str,
) -> Iterator[Host]:
    """Run a host with its state in `folder`; it is stopped with SIGTERM at the end of the block."""
    folder.mkdir(exist_ok=True)
    values = {
        "SAMPLE_NOTES": str(folder / "notes.jsonl"),
        "SampleSchedule": "0 0 0 1 1 *",
        "SampleQueue": "work",
        "SampleContainer": "triggers",
    }
    values |= azurite.settings | settings
    (folder / "settings.json").write_text(json.dumps({"Values": values}))
    command = [sys.executable, "-W", "error::DeprecationWarning:localcloud", "-m", "localcloud.host", "--app", str(app)]
    command += ["--settings", str(folder / "settings.json"), "--state", str(folder / "state"), *arguments]
    command += ["--events", azurite.events_url] if events else []
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    log: list[str] = []
    reading = threading.Thread(target=lambda: log.extend(process.stderr or ()))
    reading.start()
    try:
        opening, ready = _opening(process, log)
        url, notes = f"http://127.0.0.1:{ready['port']}", Notes(folder / "notes.jsonl")
        unlimited = GrpcChannelOptions(max_receive_message_length=-1, max_send_message_length=-1)
        durable = TaskHubGrpcClient(host_address=ready["durable"], channel_options=unlimited)
        host = Host(process=process, url=url, durable=durable, notes=notes, opening=opening, log=log)
        with host.http, contextlib.closing(durable):
            yield host
    finally:
        process.terminate()
        try:
            process.wait(START_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        reading.join()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def _opening(process: "subprocess.Popen[str]", log: list[str]) -> tuple[list[str], dict[str, Any]]:
    opening: list[str] = []
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("{"):
            return opening, json.loads(line)
        opening.append(line.strip())
    process.wait()
    raise AssertionError(f"the host ended with {process.returncode}: {''.join(log)}")
