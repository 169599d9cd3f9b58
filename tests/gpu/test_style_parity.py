"""The same picture from a processor and from a GPU, within the tolerance stated here.

Convolutions may use TF32 on a GPU (ten bits of mantissa) and sums run in another order, so results are not the same
bits. Over a frame they differ by less than half a grey level in the mean, and by more than four in less than one value
of a thousand; in 16 bits by less than two in the mean.
"""

import io
from dataclasses import dataclass
from typing import IO

import numpy as np
import pytest
import skimage.data
import torch
from numpy.typing import NDArray
from PIL import Image

from dropscore.contracts.base import Json
from dropscore.contracts.codec import decode
from dropscore.contracts.request import InputRef
from dropscore.models.shipped import shipped
from dropscore.workloads.base import Item, LoadRequest
from dropscore.workloads.style_transfer.options import StyleTransferOptions
from dropscore.workloads.style_transfer.score import SCORING

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here"),
]

type Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class StyleFile:
    """Inputs that hold one style picture."""

    data: bytes = b""
    refs: tuple[InputRef, ...] = ()

    def open(self, input_index: int) -> IO[bytes]:
        raise IndexError(input_index)

    def open_named(self, name: str) -> IO[bytes]:
        return io.BytesIO(self.data)


def style_file() -> StyleFile:
    file = io.BytesIO()
    Image.fromarray(skimage.data.coffee()).save(file, "PNG")
    return StyleFile(file.getvalue())


def restyled(device: str, package: tuple[str, str], dtype: torch.dtype, **options: Json) -> Pixels:
    """A photograph, restyled on a device."""
    loaded = shipped(*package)
    scorer = SCORING.load(
        LoadRequest(
            package=loaded.package,
            files=loaded.files,
            options=decode(StyleTransferOptions, options),
            inputs=style_file(),
            device=torch.device(device),
            dtype=dtype,
            channels_last=device == "cuda",
        )
    )
    items = [Item(0, np.ascontiguousarray(skimage.data.astronaut()[:360, :480]))]
    with torch.inference_mode():
        result = scorer.predict(scorer.preprocess(items).to(device)).cpu()
    (pixels,) = scorer.postprocess(result, items)
    return np.asarray(pixels)


def differences(one: Pixels, other: Pixels) -> NDArray[np.int64]:
    return np.abs(one.astype(np.int64) - other)


NETWORK = ("mosaic-night", "1")
OPTIMISATION: dict[str, Json] = {"method": "optimisation", "style_image": "s.png", "num_steps": 8, "image_size": 128}


@pytest.mark.parametrize("options", [{}, {"scale": 0.5}, {"preserve_colour": True, "strength": 0.6}])
def test_the_network_gives_the_same_picture_on_both(options: dict[str, Json]) -> None:
    difference = differences(
        restyled("cpu", NETWORK, torch.float32, **options), restyled("cuda", NETWORK, torch.float32, **options)
    )
    assert difference.mean() < 0.5
    assert (difference > 4).mean() < 0.001


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_16_bits_on_a_gpu_stay_near_32_on_a_processor(dtype: torch.dtype) -> None:
    assert differences(restyled("cpu", NETWORK, torch.float32), restyled("cuda", NETWORK, dtype)).mean() < 2


def test_optimisation_gives_a_similar_picture_on_both() -> None:
    """Each of its steps builds on the one before, so small differences grow."""
    package = ("vgg19", "random-1")
    one, other = (restyled(device, package, torch.float32, **OPTIMISATION) for device in ("cpu", "cuda"))
    assert differences(one, other).mean() < 3


def test_the_gpu_gives_the_same_bits_twice() -> None:
    torch.backends.cudnn.deterministic = True
    assert np.array_equal(restyled("cuda", NETWORK, torch.float32), restyled("cuda", NETWORK, torch.float32))
