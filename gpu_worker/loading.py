"""From a run to its model on the device: package, profile, scorer, first warm prediction."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch

from dropscore.contracts.measured import ExecutionProfile
from dropscore.contracts.plan import ShardSpec
from dropscore.contracts.request import ModelRef
from dropscore.models.package import LoadedPackage
from dropscore.workloads.base import Item, LoadRequest, Scorer
from gpu_worker.causes import is_out_of_memory
from gpu_worker.engine import DTYPES, Engine
from gpu_worker.job import StoppedError
from gpu_worker.loaded import Loaded
from gpu_worker.model_cache import ModelCache
from gpu_worker.probe import Candidate, Probe, time_limit
from gpu_worker.profiles import Profiles, model_place
from gpu_worker.runner import IN_FLIGHT, busy_share
from gpu_worker.runs import RunContext

BUSY = 0.5
"""A model whose predictions keep this CPU busy for more than this share of their time is scored by all lanes; for
any other one batch at work and one waiting are enough."""
WARM_S = 1.5
"""Longest warm-up; a model that takes longer for one item gains nothing by it."""


type ReadPackage = Callable[[ModelRef], LoadedPackage]
"""Reads and checks a package. Raises `FailedError` (E-MODEL-UNKNOWN, E-MODEL-INVALID, E-MODEL-UNSAFE)."""


type Trying = Callable[[], AbstractContextManager[object]]


@dataclass(frozen=True, slots=True)
class OnTrial:
    """A scorer that is tried on an item. What goes wrong there is about the item, and not about the model."""

    scorer: Scorer
    trying: Trying

    def begin(self, shard: ShardSpec) -> None:
        self.scorer.begin(shard)

    def preprocess(self, items: Sequence[Item]) -> torch.Tensor:
        with self.trying():
            return self.scorer.preprocess(items)

    def predict(self, batch: torch.Tensor) -> torch.Tensor:
        with self.trying():
            return self.scorer.predict(batch)

    def postprocess(self, result: torch.Tensor, items: Sequence[Item]) -> Sequence[Any]:
        return self.scorer.postprocess(result, items)

    @property
    def memory_bytes(self) -> int:
        return self.scorer.memory_bytes


class PackageShelf:
    """Keeps packages in host memory, so that a model that had to leave the device comes back without storage.

    At most `budget_bytes`, the least recently used given up first; 0 keeps none, as on a CPU, where the device's
    memory is the same. Thread-safe.
    """

    def __init__(self, read: ReadPackage, budget_bytes: int) -> None:
        self._read = read
        self._budget_bytes = budget_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, LoadedPackage] = OrderedDict()

    def __call__(self, ref: ModelRef) -> LoadedPackage:
        """The package, from memory if it is there."""
        with self._lock:
            package = self._kept.pop(ref.digest, None)
        package = package or self._read(ref)
        with self._lock:
            self._kept[ref.digest] = package
            while self._kept and sum(map(_size, self._kept.values())) > self._budget_bytes:
                self._kept.popitem(last=False)
        return package


class Models:
    """Gives each shard its model."""

    def __init__(
        self, engine: Engine, cache: ModelCache, probe: Probe, *, profiles: Profiles, packages: ReadPackage
    ) -> None:
        self._engine = engine
        self._cache = cache
        self._probe = probe
        self._profiles = profiles
        self._packages = packages

    def acquire(self, context: RunContext, item: Item, trying: Trying = nullcontext) -> Loaded:
        """The model of a run, ready for items such as this one. To be given back by `release`.

        A model that is loaded is tried on the item; `trying` is entered whenever that is so.
        """
        key = self._key(context)
        return self._cache.acquire(key, lambda: self._load(key, context, item, trying))

    def release(self, model: Loaded) -> None:
        """A shard is done with its model."""
        self._cache.release(model.key)

    def _key(self, context: RunContext) -> str:
        """Package, device and what else decides the model. The profile follows from the first two."""
        run = context.run
        package = run.model.digest if run.model else run.workload
        decisive = "\n".join((context.scoring.model_key(context.options), *context.extra_versions))
        own = hashlib.sha256(decisive.encode()).hexdigest()
        return f"{package}/{own}/{self._engine.device.kind}"

    def _load(self, key: str, context: RunContext, item: Item, trying: Trying) -> Loaded:
        package = self._packages(context.run.model) if context.run.model else None

        def build(way: Candidate) -> Scorer:
            return context.scoring.load(self._request(context, package, way))

        def tried(way: Candidate) -> Scorer:
            return OnTrial(build(way), trying)

        half = package is not None and package.package.half_precision
        profile = self._profiles.find(model_place(context.run), lambda: self._probe.run(tried, item, allow_half=half))
        scorer = build(Candidate(profile.precision, profile.channels_last))
        return Loaded(
            key=key,
            scorer=scorer,
            profile=profile,
            digest=context.run.model.digest if context.run.model else None,
            parallel=self._warm(profile, OnTrial(scorer, trying), item),
            load_s=0.0,
        )

    def _request(self, context: RunContext, package: LoadedPackage | None, way: Candidate) -> LoadRequest:
        return LoadRequest(
            package=package.package if package else None,
            files=package.files if package else {},
            options=context.options,
            inputs=context.inputs,
            device=self._engine.device.torch_device,
            dtype=DTYPES[way.precision],
            channels_last=way.channels_last,
            checkpoint=self._engine.checkpoint,
        )

    def _warm(self, profile: ExecutionProfile, scorer: Scorer, item: Item) -> int:
        """Predict once, so that the first shard finds everything allocated; how many lanes the model can use."""
        batch = self._engine.stage(scorer.preprocess([item]))
        lanes = self._engine.device.lanes

        def predict() -> None:
            self._engine.run(profile, scorer, batch, check=time_limit(WARM_S)).wait()

        try:
            share = busy_share(predict)
        except StoppedError:
            return lanes
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            self._engine.free()
            return lanes
        return lanes if share > BUSY else min(lanes, IN_FLIGHT)


def _size(package: LoadedPackage) -> int:
    return sum(map(len, package.files.values()))
