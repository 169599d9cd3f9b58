"""The feature layers of VGG-19 (Simonyan and Zisserman 2015) up to conv5_1, as far as style transfer looks.

The weights are either those trained on ImageNet (a package with a weight file) or random and deterministic (a
package with the parameter `random_seed`). That random weights carry enough of a picture's content and texture to
paint with is shown by He, Wang and Hopcroft 2016 ("A Powerful Generative Model Using Random Weights for the Deep
Image Representation").
"""

import math
from collections.abc import Collection, Iterator
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name that all torch code uses
from torch import Tensor, nn

STAGES = (2, 2, 4, 4, 1)
"""Convolutions of each stage; stages are joined by pooling. The last three of stage 5 are left out."""
CHANNELS = (64, 128, 256, 512, 512)
NAMES = tuple(f"conv{stage}_{layer}" for stage, count in enumerate(STAGES, 1) for layer in range(1, count + 1))
"""`conv1_1` to `conv5_1`, in order."""

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)
"""Of RGB from 0 to 1, as torchvision's weights expect them."""

CALIBRATION_SIZE = 96


class Vgg19(nn.Module):
    """VGG-19 features. Layers are named as in the paper: `conv1_1.weight` and so on.

    Args:
        random_seed: give the layers random weights from this seed; otherwise they wait for trained ones.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, random_seed: int | None = None) -> None:
        super().__init__()
        for name, inputs, outputs in _shapes():
            self.add_module(name, nn.Conv2d(inputs, outputs, 3, padding=1))
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(IMAGENET_DEVIATION).view(1, 3, 1, 1), persistent=False)
        if random_seed is not None:
            _randomise(self, random_seed)

    def layer(self, name: str) -> nn.Conv2d:
        """The convolution of this name."""
        module = self.get_submodule(name)
        assert isinstance(module, nn.Conv2d)
        return module

    def forward(self, image: Tensor, wanted: Collection[str] = NAMES) -> dict[str, Tensor]:
        """Rectified responses of the layers in `wanted`, each (N, C, H / 2^k, W / 2^k); layers after the last of
        them are not computed. `image` is (N, 3, H, W), RGB from 0 to 1, at least 16 pixels a side.
        """
        unknown = set(wanted) - set(NAMES)
        if unknown:
            raise ValueError(f"VGG-19 has no layer {min(unknown)!r} here; it has {NAMES[0]} to {NAMES[-1]}")
        found: dict[str, Tensor] = {}
        x = (image - self.mean) / self.deviation
        for name in NAMES:
            if len(found) == len(set(wanted)):
                break
            x = F.relu(self.layer(name)(_pooled(name, x)))
            if name in wanted:
                found[name] = x
        return found


def gram(responses: Tensor) -> Tensor:
    """Gram matrices of (N, C, H, W): (N, C, C), divided by C * H * W."""
    n, c, h, w = responses.shape
    flat = responses.reshape(n, c, h * w)
    return torch.bmm(flat, flat.transpose(1, 2)) / (c * h * w)


def _shapes() -> Iterator[tuple[str, int, int]]:
    """Name, input channels and output channels of each layer."""
    outputs = [channels for channels, count in zip(CHANNELS, STAGES, strict=True) for _ in range(count)]
    for name, (before, after) in zip(NAMES, pairwise([3, *outputs]), strict=True):
        yield name, before, after


def _pooled(name: str, x: Tensor) -> Tensor:
    """Halve before the first layer of each stage but the first. Averages, as Gatys et al. 2016 found better for
    painting than maxima.
    """
    return F.avg_pool2d(x, 2) if name.endswith("_1") and name != NAMES[0] else x


@torch.no_grad()
def _randomise(net: Vgg19, seed: int) -> None:
    """Draw normal weights, then set each filter's scale and bias so that its responses to the calibration pictures have
    mean 0 and deviation 1 (Salimans and Kingma 2016): without it the responses of deep random
    layers all look alike.

    numpy's legacy generator gives the same stream on every platform and in every version.
    """
    draw = np.random.RandomState(seed)
    x = (_calibration(draw) - net.mean) / net.deviation
    for name in NAMES:
        layer, x = net.layer(name), _pooled(name, x)
        values = draw.standard_normal(layer.weight.shape) / math.sqrt(9 * layer.in_channels)
        layer.weight.copy_(torch.from_numpy(values))
        responses = F.conv2d(x, layer.weight, padding=1)
        deviation, mean = torch.std_mean(responses, (0, 2, 3))
        scale = 1.0 / deviation.clamp_min(1e-6)
        layer.weight.mul_(scale[:, None, None, None])
        assert layer.bias is not None
        layer.bias.copy_(-mean * scale)
        x = F.relu((responses - mean[:, None, None]) * scale[:, None, None])


def _calibration(draw: np.random.RandomState, count: int = 4) -> Tensor:
    """Pictures with the spectrum of natural ones (amplitude falls as 1 / frequency), (count, 3, S, S), 0 to 1."""
    size = CALIBRATION_SIZE
    rows, columns = np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size)[None, :]
    falling = 1.0 / np.maximum(np.hypot(rows, columns), 1.0 / size)
    noise = np.fft.ifft2(np.fft.fft2(draw.standard_normal((count, 3, size, size))) * falling).real
    grey, colour = noise.mean(1, keepdims=True), noise - noise.mean(1, keepdims=True)
    mixed = grey / grey.std() + 0.35 * colour / colour.std()
    return torch.from_numpy(np.clip(0.5 + 0.25 * mixed, 0.0, 1.0)).float()
