"""Pictures, packages and a worker's handling of a scorer, for the tests of this folder."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import IO

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save

from dropscore.contracts.package import ModelPackage
from dropscore.contracts.request import InputRef
from dropscore.models.architectures import WEIGHTS
from dropscore.models.networks.transformer import TransformerNet
from dropscore.models.package import LoadedPackage, bundle
from dropscore.workloads.base import Item, Scorer

type Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Inputs:
    """Input files in memory."""

    named: dict[str, bytes] = field(default_factory=dict)
    refs: Sequence[InputRef] = ()

    def open(self, input_index: int) -> IO[bytes]:
        raise IndexError(input_index)

    def open_named(self, name: str) -> IO[bytes]:
        return io.BytesIO(self.named[name])


def photograph(height: int = 48, width: int = 64, seed: int = 0) -> Pixels:
    """A smooth picture with edges, (height, width, 3) uint8."""
    draw = np.random.default_rng(seed)
    coarse = Image.fromarray(draw.integers(0, 256, (5, 7, 3), dtype=np.uint8))
    pixels = np.array(coarse.resize((width, height), Image.Resampling.BICUBIC))
    pixels[height // 4 : height // 2, width // 4 : width // 2] = draw.integers(0, 256, 3)
    return pixels


def items(*pictures: Pixels) -> list[Item]:
    return [Item(index, pixels) for index, pixels in enumerate(pictures)]


def run(scorer: Scorer, *pictures: Pixels) -> list[Pixels]:
    """What the worker does with one batch."""
    batch = items(*pictures)
    with torch.inference_mode():
        result = scorer.predict(scorer.preprocess(batch))
    return list(scorer.postprocess(result, batch))


def package_of(network: TransformerNet, width: int) -> LoadedPackage:
    description = ModelPackage(
        name="small",
        version="1",
        workload="style_transfer",
        title="Small",
        architecture="transformer_net",
        parameters={"width": width},
        files=(),
        licence="MIT",
    )
    return bundle(description, {WEIGHTS: save(network.state_dict())})


def png(pixels: Pixels) -> bytes:
    """A picture as a PNG file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()
