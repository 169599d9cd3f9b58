"""The network of Johnson et al. 2016, as published and rearranged."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dropscore.models.networks.transformer import (
    LEAST_SIZE,
    SIZE_MULTIPLE,
    FastTransformer,
    PaddedConv,
    TransformerNet,
    pad_to_multiple,
)


def network(width: int = 4, seed: int = 5) -> TransformerNet:
    torch.manual_seed(seed)
    return TransformerNet(width).eval()


def published(weights: dict[str, Tensor], x: Tensor) -> Tensor:
    """The forward pass of the public example, spelled out with torch's own layers."""

    def conv(name: str, x: Tensor, *, stride: int = 1, up: int = 1) -> Tensor:
        weight, bias = weights[f"{name}.conv2d.weight"], weights[f"{name}.conv2d.bias"]
        if up > 1:
            x = nn.Upsample(scale_factor=up, mode="nearest")(x)
        return F.conv2d(nn.ReflectionPad2d(weight.shape[-1] // 2)(x), weight, bias, stride=stride)

    def norm(name: str, x: Tensor) -> Tensor:
        return F.instance_norm(x, weight=weights[f"{name}.weight"], bias=weights[f"{name}.bias"])

    y = F.relu(norm("in1", conv("conv1", x)))
    y = F.relu(norm("in2", conv("conv2", y, stride=2)))
    y = F.relu(norm("in3", conv("conv3", y, stride=2)))
    for number in range(1, 6):
        block = f"res{number}"
        inner = F.relu(norm(f"{block}.in1", conv(f"{block}.conv1", y)))
        y = norm(f"{block}.in2", conv(f"{block}.conv2", inner)) + y
    y = F.relu(norm("in4", conv("deconv1", y, up=2)))
    y = F.relu(norm("in5", conv("deconv2", y, up=2)))
    return conv("deconv3", y)


def test_it_is_the_published_network() -> None:
    net, x = network(), torch.rand(2, 3, 24, 36) * 255
    with torch.inference_mode():
        assert torch.allclose(net(x), published(net.state_dict(), x), atol=1e-5)


def test_the_public_weights_have_these_names_and_sizes() -> None:
    shapes = {name: tuple(value.shape) for name, value in TransformerNet().state_dict().items()}
    assert len(shapes) == 62
    assert sum(value.numel() for value in TransformerNet().state_dict().values()) == 1_679_235
    assert shapes["conv1.conv2d.weight"] == (32, 3, 9, 9)
    assert shapes["res5.conv2.conv2d.weight"] == (128, 128, 3, 3)
    assert shapes["deconv1.conv2d.weight"] == (64, 128, 3, 3)
    assert shapes["deconv3.conv2d.weight"] == (3, 32, 9, 9)
    assert shapes["res1.in2.bias"] == (128,)


@pytest.mark.parametrize("size", [(64, 64), (61, 47), (18, 90), (16, 16), (17, 33)])
@pytest.mark.parametrize("channels_last", [False, True])
def test_rearranged_it_gives_the_same_picture(size: tuple[int, int], channels_last: bool) -> None:
    net = network()
    layout = torch.channels_last if channels_last else torch.contiguous_format
    fast = FastTransformer(copy.deepcopy(net)).to(memory_format=layout)
    x = torch.rand(2, 3, *size) * 255
    with torch.inference_mode():
        assert torch.allclose(fast(x.to(memory_format=layout)), net(x), atol=1e-4)


def test_rearranging_leaves_its_input_alone() -> None:
    x = torch.rand(1, 3, 32, 32) * 255
    before = x.clone()
    with torch.inference_mode():
        FastTransformer(network())(x)
    assert torch.equal(x, before)


def test_a_flat_picture_stays_free_of_noise() -> None:
    """Where the variance is zero, rounding must not be blown up into a pattern."""
    net = network()
    x = torch.full((1, 3, 32, 32), 200.0)
    with torch.inference_mode():
        painted = FastTransformer(copy.deepcopy(net))(x)
        assert torch.allclose(painted, net(x), atol=2e-2)
    assert painted.isfinite().all()


@pytest.mark.parametrize("height", [1, 2, 3, 5, 7, 8, 15, 16, 31, 50])
@pytest.mark.parametrize("width", [1, 4, 13, 33])
def test_any_size_comes_back_in_its_own_size(height: int, width: int) -> None:
    x = torch.rand(1, 3, height, width) * 255
    with torch.inference_mode():
        for net in (network(), FastTransformer(network())):
            assert net(x).shape == x.shape


@pytest.mark.parametrize(
    ("size", "padded"),
    [
        ((16, 16), (16, 16)),
        ((17, 20), (20, 20)),
        ((18, 19), (20, 20)),
        ((5, 40), (16, 40)),
        ((1, 1), (16, 16)),
    ],
)
def test_sizes_are_padded_to_a_multiple(size: tuple[int, int], padded: tuple[int, int]) -> None:
    assert tuple(pad_to_multiple(torch.rand(1, 3, *size)).shape[-2:]) == padded
    assert all(side % SIZE_MULTIPLE == 0 and side >= LEAST_SIZE for side in padded)


def test_padding_mirrors_the_picture_without_repeating_its_edge() -> None:
    row = torch.arange(18.0).expand(1, 1, 18, 18)
    assert pad_to_multiple(row)[0, 0, 0, 15:].tolist() == [15.0, 16.0, 17.0, 16.0, 15.0]


def test_padding_leaves_a_fitting_picture_alone() -> None:
    x = torch.rand(1, 3, 32, 64)
    assert pad_to_multiple(x) is x


def test_upsampling_is_to_the_nearest_pixel() -> None:
    layer = PaddedConv(1, 1, 1, upsample=2)
    with torch.no_grad():
        layer.conv2d.weight.fill_(1.0)
        layer.conv2d.bias.fill_(0.0)
        doubled = layer(torch.tensor([[[[1.0, 2.0]]]]))
    assert doubled.tolist() == [[[[1.0, 1.0, 2.0, 2.0], [1.0, 1.0, 2.0, 2.0]]]]


@pytest.mark.parametrize("width", [0, -1, 65])
def test_an_impossible_width_is_refused_with_its_value(width: int) -> None:
    with pytest.raises(ValueError, match=f"got {width}"):
        TransformerNet(width)
