"""Scorers of the worker's benchmarks, in the place of style transfer's: same inputs, same outputs, known cost.

device    a device that takes 40 ms a frame, uses no processor and is shared by the whole machine (a file lock)
network   the quarter-width style network on torch, rearranged as style transfer runs it
published the same network as it was trained, which gives the same picture in twice the time
"""

import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dropscore.contracts.plan import ShardSpec
from dropscore.models.networks.transformer import FastTransformer, TransformerNet
from dropscore.workloads.base import InputFiles, Item, LoadRequest, Scorer, Sink, WorkloadDefinition, WorkloadOptions
from dropscore.workloads.registry import workload
from dropscore.workloads.style_transfer import frames
from dropscore.workloads.style_transfer.options import StyleTransferOptions

FRAME_S = 0.040
OPTIONS = StyleTransferOptions(crf=23, side_by_side=False)
"""The output has about half the bytes of the input."""
LOCK = "BENCHMARK_DEVICE_LOCK"
"""Environment variable with the path of the device's lock."""
WIDTH = 8
"""Channels of the network at full size."""
loads = 0
"""Scorers loaded in this process."""


class Device:
    """Sleeps 40 ms for each frame while it holds the machine's only device."""

    independent = True
    memory_bytes = 0

    def __init__(self, lock: Path) -> None:
        self._lock = lock

    def begin(self, shard: ShardSpec) -> None:
        """Nothing is kept."""

    def preprocess(self, items: Sequence[Item]) -> torch.Tensor:
        return stacked(items)

    def predict(self, batch: torch.Tensor) -> torch.Tensor:
        with self._lock.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            time.sleep(FRAME_S * len(batch))
        return batch

    def postprocess(self, result: torch.Tensor, items: Sequence[Item]) -> Sequence[Any]:  # noqa: ARG002
        return list(result.numpy())


class Network:
    """The network, all of whose arithmetic is this processor's."""

    independent = True

    def __init__(self, *, channels_last: bool, published: bool = False) -> None:
        torch.manual_seed(0)
        self._layout = torch.channels_last if channels_last else torch.contiguous_format
        trained = TransformerNet(WIDTH).eval().requires_grad_(requires_grad=False)
        network = trained if published else FastTransformer(trained)
        self._network = network.to(memory_format=self._layout)  # type: ignore[call-overload] # torch does not declare it
        self.memory_bytes = sum(tensor.nbytes for tensor in self._network.state_dict().values())

    def begin(self, shard: ShardSpec) -> None:
        """Nothing is kept."""

    def preprocess(self, items: Sequence[Item]) -> torch.Tensor:
        return stacked(items)

    def predict(self, batch: torch.Tensor) -> torch.Tensor:
        content = batch.permute(0, 3, 1, 2).to(torch.float32, memory_format=self._layout)
        styled = content + 0.2 * self._network(content)
        result: torch.Tensor = styled.clamp_(0, 255).round_().to(torch.uint8)
        return result.permute(0, 2, 3, 1).contiguous()

    def postprocess(self, result: torch.Tensor, items: Sequence[Item]) -> Sequence[Any]:  # noqa: ARG002
        return list(result.numpy())


def stacked(items: Sequence[Item]) -> torch.Tensor:
    """(N, H, W, 3) uint8; a single frame is not copied."""
    if len(items) == 1:
        return torch.from_numpy(items[0].pixels[None])
    return torch.from_numpy(np.stack([item.pixels for item in items]))


def make(kind: str, *, channels_last: bool = False) -> Scorer:
    """One of the three."""
    if kind == "device":
        return Device(Path(os.environ[LOCK]))
    return Network(channels_last=channels_last, published=kind == "published")


class _Scoring:
    def __init__(self, kind: str) -> None:
        self._kind = kind

    def model_key(self, options: WorkloadOptions) -> str:  # noqa: ARG002 - the protocol's
        return self._kind

    def load(self, request: LoadRequest) -> Scorer:
        global loads  # noqa: PLW0603 - counted for the second job, which must load nothing
        loads += 1
        return make(self._kind, channels_last=request.channels_last)

    def open_source(self, shard: ShardSpec, options: Any, inputs: InputFiles) -> Iterator[Item]:
        return frames.open_source(shard, options, inputs)

    def open_sink(self, shard: ShardSpec, options: Any) -> Sink:
        return frames.open_sink(shard, options)


DEVICE, NETWORK, PUBLISHED = (_Scoring(kind) for kind in ("device", "network", "published"))


def standing_in(kind: str, name: str) -> WorkloadDefinition:
    """The workload of this name with another scorer; the workload itself for the kind `real`."""
    found = workload(name)
    return found if kind == "real" else replace(found, scoring=f"benchmarks.worker_standins:{kind.upper()}")
