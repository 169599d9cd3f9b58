"""The real app in a local cloud, as a test sees it: what is dropped, what becomes of it, what is left behind."""

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
from azure.storage.blob import BlobServiceClient
from clouds import LocalCloud

from dropscore.cloud.connect import connect_runner, connect_storage, connect_workers
from dropscore.cloud.ports import Cloud
from dropscore.cloud.settings import AppSettings
from dropscore.contracts import layout
from dropscore.contracts.codec import decode
from dropscore.contracts.errors import NotFoundError
from dropscore.contracts.identity import run_id_of_trigger
from dropscore.contracts.layout import BlobPath
from dropscore.contracts.names import LANE_QUEUES, ContainerName
from dropscore.contracts.receipt import OutputManifest
from dropscore.contracts.request import RunRecord
from dropscore.contracts.run import RunState
from dropscore.models.registry import ModelRegistry
from dropscore.models.shipped import push_shipped

END_LIMIT_S = 90
"""For this machine under load."""
FRAMES, WIDTH, HEIGHT = 96, 384, 216
TICK = Fraction(1, 24)
SOUND_RATE, SOUND_SAMPLES = 48_000, 1024


@dataclass(frozen=True, kw_only=True)
class MainJob:
    """A local cloud that runs the real app."""

    cloud: LocalCloud
    app: AppSettings
    storage: Cloud
    service: BlobServiceClient
    """Azure's own client of the account that users may touch."""

    @classmethod
    def of(cls, cloud: LocalCloud) -> "MainJob":
        """Connect to a cloud that is ready, and bring the models that ship into it."""
        app = AppSettings.from_env(cloud.written["settings"])
        storage = connect_storage(app.data, app.system)
        push_shipped(ModelRegistry(storage.blobs))
        service = BlobServiceClient.from_connection_string(cloud.written["settings"]["DataStorage"])
        return cls(cloud=cloud, app=app, storage=storage, service=service)

    # --- what users do

    def upload(self, name: str, data: bytes) -> None:
        """Put an input where the product finds it."""
        self.service.get_blob_client(ContainerName.INPUTS, name).upload_blob(data)

    def drop(self, name: str, text: bytes) -> str:
        """Drop a trigger file; returns the id of its run."""
        etag = self.service.get_blob_client(ContainerName.TRIGGERS, name).upload_blob(text)["etag"]
        return run_id_of_trigger(self.app.data.account, name, etag)

    def post(self, path: str, **request: Any) -> httpx.Response:
        """Call the app."""
        return httpx.post(f"{self.cloud.written['api_url']}{path}", timeout=20, **request)

    # --- what becomes of it

    def end(self, run_id: str) -> RunState:
        """Wait for the end of a run."""
        deadline = time.monotonic() + END_LIMIT_S
        while (state := self._state(run_id)) is None or not state.status.ended:
            assert time.monotonic() < deadline, f"{run_id} has not ended: {state}\n{''.join(self.cloud.lines[-20:])}"
            time.sleep(0.05)
        return state

    def outputs(self, run_id: str) -> dict[str, bytes]:
        """What a run has published, by name."""
        manifest = decode(OutputManifest, self.storage.blobs.get(layout.output_manifest(run_id)).data)
        return {one.name: self.storage.blobs.get(layout.output(run_id, one.name)).data for one in manifest.outputs}

    def verdicts(self, run_id: str) -> int:
        """How many shards of a run have their verdict."""
        return len(self.names(layout.verdicts_prefix(run_id)))

    def records(self) -> list[RunRecord]:
        """What was ever asked for."""
        names = [name for name in self.names(BlobPath(ContainerName.RUNS, "")) if name.endswith("/request.json")]
        return [decode(RunRecord, self.storage.blobs.get(BlobPath(ContainerName.RUNS, name)).data) for name in names]

    def _state(self, run_id: str) -> RunState | None:
        try:
            return decode(RunState, self.storage.blobs.get(layout.state(run_id)).data)
        except NotFoundError:
            return None

    # --- what is there, or left

    def names(self, prefix: BlobPath) -> list[str]:
        """Names of the blobs below a prefix."""
        return [info.path.name for info in self.storage.blobs.list(prefix)]

    def messages(self) -> int:
        """Messages on all lanes, leased ones included."""
        return sum(self.storage.queue.depth(queue) for queue in LANE_QUEUES.values())

    def groups(self) -> tuple[str, ...]:
        """Container groups."""
        return connect_runner(self.app).names()

    def tasks(self) -> int:
        """Worker tasks that run or wait for a node."""
        counts = connect_workers(self.app).counts()
        return counts.running + counts.waiting

    def workers(self) -> list[int]:
        """Living processes of workers: the one that Batch started, and the one in which it scores."""
        owner = f"LOCALCLOUD_OWNER={self.cloud.home.folder('batch')}".encode()
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                started_by = (folder / "environ").read_bytes().split(b"\0")
                if owner in started_by and b"gpu_worker" in (folder / "cmdline").read_bytes():
                    found.append(int(folder.name))
        return found

    def kill_workers(self) -> None:
        """SIGKILL for every process of every worker."""
        for pid in self.workers():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def write_clip(path: Path) -> None:
    """A film with sound whose frames come at uneven times: after every fifth there is a gap."""
    with av.open(str(path), "w") as film:
        picture = film.add_stream("libx264", rate=1 / TICK, options={"preset": "ultrafast"})
        picture.width, picture.height, picture.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        picture.codec_context.time_base, picture.codec_context.gop_size = TICK, 24
        sound = film.add_stream("aac", rate=SOUND_RATE, layout="stereo")
        for number in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(_picture(number), format="rgb24")
            frame.pts, frame.time_base = number + number // 5, TICK
            film.mux(picture.encode(frame))
        film.mux(picture.encode(None))
        for start in range(0, 4 * SOUND_RATE, SOUND_SAMPLES):
            film.mux(sound.encode(_tone(start)))
        film.mux(sound.encode(None))


def small_picture() -> bytes:
    """One frame of it as PNG, much smaller."""
    from io import BytesIO

    from PIL import Image

    data = BytesIO()
    Image.fromarray(_picture(0)).resize((64, 36)).save(data, "png")
    return data.getvalue()


def _picture(number: int) -> np.ndarray:
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    waves = [128 + 100 * np.sin(x / step + number / 8) * np.cos(y / (step + 7)) for step in (11, 17, 29)]
    return np.stack(waves, axis=-1).astype(np.uint8)


def _tone(start: int) -> av.AudioFrame:
    at_s = np.arange(start, start + SOUND_SAMPLES) / SOUND_RATE
    samples = np.stack([np.sin(2 * np.pi * pitch * at_s) for pitch in (330, 440)]).astype(np.float32) / 4
    sound = av.AudioFrame.from_ndarray(samples, format="fltp", layout="stereo")
    sound.sample_rate, sound.pts, sound.time_base = SOUND_RATE, start, Fraction(1, SOUND_RATE)
    return sound
