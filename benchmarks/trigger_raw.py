"""The operations between a trigger and its first shard, bare: one after the other, each with Azure's own client."""

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

from azure.mgmt.containerinstance import ContainerInstanceManagementClient
from azure.storage.blob import BlobClient

from benchmarks.trigger_cloud import ROOT, TriggerCloud
from dropscore.cloud.azure_blobs import blob_service
from dropscore.cloud.azure_queue import queue_service
from dropscore.cloud.loopback import LoopbackCredential, LoopbackTokenPolicy
from dropscore.cloud.ports import ContainerSpec
from dropscore.cloud.requests import container_group
from dropscore.cloud.transport import CountingTransport
from dropscore.contracts import layout
from dropscore.contracts.layout import BlobPath
from dropscore.contracts.names import Account, ContainerName

QUEUE = "trigger-latency"
MODEL = "mosaic-night"
ENDED_LIMIT_S = 30.0


class RawChain:
    """Runs the chain again and again and keeps what each operation took.

    `run_id` is a run that was admitted: what is written here is what was written for it.
    """

    def __init__(self, cloud: TriggerCloud, run_id: str, picture: str, trigger: bytes) -> None:
        self._cloud, self._trigger = cloud, trigger
        self._picture = layout.input_file(picture)
        self._blobs = {Account.DATA: blob_service(cloud.app.data), Account.SYSTEM: blob_service(cloud.app.system)}
        self._queue = queue_service(cloud.app.system).get_queue_client(QUEUE)
        self._queue.create_queue()
        self._groups = _groups_client(cloud)
        self._admitted = self._get(layout.inputs(run_id)), self._get(layout.admission(run_id))
        self._seconds: dict[str, list[float]] = {}

    def once(self, number: int) -> None:
        """Run the chain once."""
        folder = f"raw-{number}"
        trigger = self._blob(layout.input_file(f"{folder}/trigger.json"))
        with self._timed("put the trigger"):
            trigger.upload_blob(self._trigger)
        with self._timed("head and get the trigger, create the request"):
            trigger.get_blob_properties()
            self._create(_written(folder, "request.json"), bytes(trigger.download_blob().readall()))
        with self._timed("get the request, head the input, get alias and package, create inputs and admission"):
            self._admit(folder)
        self._start_group(folder)
        self._plan(folder)
        with self._timed("get index and page, put the message"):
            self._get(_written(folder, "index.json"))
            page = self._get(_written(folder, "page.jsonl"))
            self._queue.send_message(base64.b64encode(page).decode())
        with self._timed("receive the message"):
            (message,) = next(self._queue.receive_messages(messages_per_page=1).by_page())
        self._queue.delete_message(message)

    def forget(self) -> None:
        """Forget what was measured, such as a first round on fresh connections."""
        self._seconds.clear()

    def close(self) -> None:
        """Leave no queue behind."""
        self._queue.delete_queue()

    @property
    def medians_s(self) -> dict[str, float]:
        """The median of each operation, in seconds, in the order of the chain."""
        return {name: median(seconds) for name, seconds in self._seconds.items()}

    def _admit(self, folder: str) -> None:
        self._get(_written(folder, "request.json"))
        self._blob(self._picture).get_blob_properties()
        version = json.loads(self._get(layout.model_alias(MODEL, "stable")))["version"]
        self._get(layout.package(MODEL, version))
        for name, data in zip(("inputs.jsonl", "admission.json"), self._admitted, strict=True):
            self._create(_written(folder, name), data)

    def _start_group(self, name: str) -> None:
        app = self._cloud.app
        environment = app.container_environment()
        spec = ContainerSpec(
            name=name,
            image=app.container_image,
            command=("python", "-S", "-c", "pass"),
            environment=environment.plain,
            secrets=environment.secret,
        )
        body = json.dumps(container_group(spec, location=app.containers.location)).encode()
        with self._timed("put a container group"):
            self._groups.container_groups.begin_create_or_update(  # type: ignore[call-overload]  # bytes are sent as they are
                app.containers.resource_group, name, body, polling=False
            )
        deadline = time.monotonic() + ENDED_LIMIT_S
        while self._state(name) != "Succeeded" and time.monotonic() < deadline:
            time.sleep(0.02)
        self._groups.container_groups.begin_delete(app.containers.resource_group, name, polling=False)

    def _state(self, name: str) -> str | None:
        view = self._groups.container_groups.get(self._cloud.app.containers.resource_group, name).instance_view
        return None if view is None else view.state

    def _plan(self, folder: str) -> None:
        paths = (
            _written(folder, "admission.json"),
            self._picture,
            _written(folder, "page.jsonl"),
            _written(folder, "index.json"),
        )
        environment = self._cloud.app.container_environment()
        own = {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "", "PATH": os.environ["PATH"]}
        with self._timed("start a planning process: imports, get admission and input, put page and index"):
            process = subprocess.Popen(
                [sys.executable, "-c", "from benchmarks.trigger_planner import main; main()", *map(str, paths)],
                env={**own, **environment.plain, **environment.secret},
                stdout=subprocess.PIPE,
            )
            assert process.stdout is not None
            line = process.stdout.readline()
        with process:
            process.wait()
        assert line, "the bare planning process failed"

    def _blob(self, path: BlobPath) -> BlobClient:
        return self._blobs[path.container.account].get_blob_client(path.container, path.name)

    def _get(self, path: BlobPath) -> bytes:
        return bytes(self._blob(path).download_blob().readall())

    def _create(self, path: BlobPath, data: bytes) -> None:
        self._blob(path).upload_blob(data)

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        begun = time.perf_counter()
        yield
        self._seconds.setdefault(name, []).append(time.perf_counter() - begun)


def _written(folder: str, name: str) -> BlobPath:
    """A blob of the system account outside the runs, so that nobody takes it for one of theirs."""
    return BlobPath(ContainerName.LOGS, f"{folder}/{name}")


def _groups_client(cloud: TriggerCloud) -> ContainerInstanceManagementClient:
    settings, credential = cloud.app.containers, LoopbackCredential()
    return ContainerInstanceManagementClient(
        credential,
        settings.subscription_id,
        base_url=settings.arm_url,
        transport=CountingTransport(settings.arm_url),
        authentication_policy=LoopbackTokenPolicy(credential, f"{settings.arm_url}/.default"),
    )
