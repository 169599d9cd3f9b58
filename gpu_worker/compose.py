"""Puts the worker's device side together. Imports torch."""

import threading
from collections.abc import Callable

import torch

import dropscore
from dropscore.cloud.block_cache import BlockCache
from dropscore.cloud.input_files import BlobInputFiles
from dropscore.contracts.codec import encode
from dropscore.contracts.verdict import WorkerFacts
from dropscore.models.registry import ModelRegistry
from dropscore.workloads.registry import workload
from gpu_worker.admission import Admission
from gpu_worker.board import Board
from gpu_worker.device import Device, find_device, usable_cores
from gpu_worker.engine import Engine
from gpu_worker.job import Job
from gpu_worker.lives import LEASE_S
from gpu_worker.loading import Models, PackageShelf
from gpu_worker.model_cache import ModelCache
from gpu_worker.pace import Pace
from gpu_worker.pieces import Pieces
from gpu_worker.probe import Probe
from gpu_worker.profiles import Profiles
from gpu_worker.runner import runner_for
from gpu_worker.runs import FindWorkload, Runs
from gpu_worker.settle import Settling
from gpu_worker.sides import Desk, Scoring
from gpu_worker.signs import Signs
from gpu_worker.stages import Stages
from gpu_worker.verdicts import Identity, Verdicts

MODEL_SHARE = 0.5
"""Share of the device's free memory for models that nobody uses at the moment."""
SHELF_BYTES = 2**30
"""Host memory for packages of models that had to leave a GPU."""
INPUT_BYTES = 24 * 2**20
"""Memory for blocks of inputs: two per shard being decoded, and those that hold the files' indexes."""
MOST_CUDA_SOURCES = 8


def compose_scoring(
    desk: Desk,
    ended: Callable[[Job], None],
    *,
    name: str,
    device: str = "auto",
    lanes: int = 0,
    model_budget_bytes: int = 0,
    find_workload: FindWorkload = workload,
) -> Scoring:
    """The device and all that scores on it. Raises `FailedError` when there is no such device."""
    found = find_device(device, lanes)
    runner = runner_for(found.torch_device)
    engine = Engine(found, runner)
    identity = Identity(
        name=name,
        device=found.title,
        code_version=dropscore.__version__,
        torch_version=torch.__version__,
    )
    _introduce(desk, found, identity)
    pieces = Pieces(desk.blobs, desk.clock)
    verdicts = Verdicts(desk.blobs, desk.clock, pieces, identity, cancelled=desk.marks.cancelled_by_now)
    models = Models(
        engine,
        ModelCache(model_budget_bytes or int(found.memory_bytes * MODEL_SHARE), engine.free),
        Probe(engine, runner),
        profiles=Profiles(desk.blobs, found.kind),
        packages=PackageShelf(ModelRegistry(desk.blobs).load, 0 if found.is_cpu else SHELF_BYTES),
    )
    board = Board(desk.clock, lanes=found.lanes, most_sources=sources(found), most_jobs=sources(found) + 1, ended=ended)
    return Scoring(
        board=board,
        stages=Stages(
            board=board,
            engine=engine,
            clock=desk.clock,
            admit=_admission(desk, pieces, find_workload),
            load=models.acquire,
        ),
        models=models,
        settling=Settling(desk.queue, desk.clock, verdicts, pieces, worker=name),
        pace=Pace(desk.blobs, desk.clock, device_kind=found.kind, lanes=found.lanes),
        lanes=found.lanes,
        signs=Signs(desk.blobs, desk.clock, board, worker=name, device=found.title),
    )


def sources(device: Device) -> int:
    """Most shards decoded at once: on a CPU as many as lanes, which share its cores with them, and two at least, so
    that the next one is open in time; beside a GPU as many as the cores can decode and encode.
    """
    return max(2, device.lanes if device.is_cpu else min(MOST_CUDA_SOURCES, usable_cores()))


def _introduce(desk: Desk, device: Device, identity: Identity) -> None:
    """Note in the will who works on what."""
    worker = WorkerFacts(
        worker=identity.name,
        device=identity.device,
        code_version=identity.code_version,
        torch_version=identity.torch_version,
    )
    desk.will.introduce(desk.will.facts | {"worker": encode(worker), "device": str(device.torch_device)})


def _admission(desk: Desk, pieces: Pieces, find_workload: FindWorkload) -> Admission:
    cache = BlockCache(desk.blobs, desk.clock, budget_bytes=INPUT_BYTES)
    runs = Runs(
        desk.blobs,
        open_inputs=lambda run_id: BlobInputFiles(desk.blobs, cache, run_id),
        find_workload=find_workload,
    )
    changing = threading.Lock()

    def ask_for(lease_s: float) -> None:
        with changing:
            if lease_s != desk.lanes.lease_s or LEASE_S not in desk.will.facts:
                desk.lanes.lease_s = lease_s
                desk.will.introduce(desk.will.facts | {LEASE_S: lease_s})

    return Admission(runs, desk.marks, pieces, noted=ask_for)
