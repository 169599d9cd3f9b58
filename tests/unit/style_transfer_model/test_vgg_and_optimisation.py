"""Features of VGG-19 and painting by optimisation."""

import pytest
import torch
from torch import Tensor

from dropscore.models.networks.vgg import NAMES, Vgg19, gram
from dropscore.workloads.style_transfer.model import (
    CONTENT_LAYER,
    STYLE_LAYERS,
    Change,
    Recipe,
    losses,
    paint,
    style_of,
)


@pytest.fixture(scope="module")
def net() -> Vgg19:
    return Vgg19(random_seed=1).eval().requires_grad_(requires_grad=False)


def picture(seed: int, height: int = 40, width: int = 56) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 6, 8, generator=generator)
    return torch.nn.functional.interpolate(coarse, size=(height, width), mode="bicubic").clamp(0, 1)


def total(net: Vgg19, candidate: Tensor, content: Tensor, style: Tensor, recipe: Recipe) -> float:
    with torch.no_grad():
        target = net(content, (CONTENT_LAYER,))[CONTENT_LAYER]
        of_style, of_content = losses(net, candidate, target, style_of(net, style))
    return 1e-6 * recipe.style_weight * of_style.item() + recipe.content_weight * of_content.item()


RECIPE = Recipe(style_weight=1e8, content_weight=1.0, steps=12)


def test_layers_have_the_published_channels_and_sizes(net: Vgg19) -> None:
    found = net(picture(0, 64, 96))
    assert tuple(found) == NAMES
    shapes = {name: tuple(found[name].shape[1:]) for name in STYLE_LAYERS}
    assert shapes == {
        "conv1_1": (64, 64, 96),
        "conv2_1": (128, 32, 48),
        "conv3_1": (256, 16, 24),
        "conv4_1": (512, 8, 12),
        "conv5_1": (512, 4, 6),
    }


def test_no_layer_after_the_last_wanted_is_computed(net: Vgg19) -> None:
    assert tuple(net(picture(0), ("conv2_1",))) == ("conv2_1",)


def test_an_unknown_layer_is_refused_by_name(net: Vgg19) -> None:
    with pytest.raises(ValueError, match="'conv6_1'"):
        net(picture(0), ("conv6_1",))


def test_random_features_follow_from_their_seed_alone(net: Vgg19) -> None:
    torch.manual_seed(99)
    again, other = Vgg19(random_seed=1).state_dict(), Vgg19(random_seed=2).state_dict()
    assert all(torch.equal(value, again[name]) for name, value in net.state_dict().items())
    assert not torch.equal(again["conv1_1.weight"], other["conv1_1.weight"])


def test_random_features_stay_alive_through_all_layers(net: Vgg19) -> None:
    """Neither dying out nor growing, and different filters see different things."""
    for found in net(picture(3, 96, 96)).values():
        assert 0.1 < found.std().item() < 10
        assert 0.1 < (found > 0).float().mean().item() < 0.9
        responses = found[0].flatten(1)
        assert torch.corrcoef(responses[responses.std(1) > 0]).nanmean().abs().item() < 0.5


def test_gram_matrix_by_hand() -> None:
    responses = torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]]]])  # (1, 2, 1, 2)
    assert gram(responses).tolist() == [[[5 / 4, 11 / 4], [11 / 4, 25 / 4]]]


def test_a_picture_has_no_loss_against_itself(net: Vgg19) -> None:
    assert total(net, picture(1), picture(1), picture(1), RECIPE) == pytest.approx(0.0, abs=1e-6)


def test_optimisation_lowers_its_loss(net: Vgg19) -> None:
    content, style = picture(1), picture(2)
    painted = paint(net, content, style_of(net, style), RECIPE)
    assert total(net, painted, content, style, RECIPE) < 0.6 * total(net, content, content, style, RECIPE)
    assert painted.shape == content.shape
    assert 0.0 <= painted.min().item() <= painted.max().item() <= 1.0


def test_the_same_start_gives_the_same_bits(net: Vgg19) -> None:
    content, style = picture(1), style_of(net, picture(2))
    assert torch.equal(paint(net, content, style, RECIPE), paint(net, content, style, RECIPE))


def test_a_warm_start_saves_steps(net: Vgg19) -> None:
    """From the result for a similar frame, half the steps reach what all reach from the frame itself."""
    frame, following, style = picture(1), (picture(1) + 0.02 * picture(4)).clamp(0, 1), picture(2)
    targets = style_of(net, style)
    before = paint(net, frame, targets, RECIPE)
    short = Recipe(style_weight=1e8, content_weight=1.0, steps=RECIPE.steps // 2)
    warm = paint(net, following, targets, short, start=before)
    cold = paint(net, following, targets, RECIPE)
    assert total(net, warm, following, style, RECIPE) <= total(net, cold, following, style, RECIPE)


def test_more_content_weight_keeps_more_content(net: Vgg19) -> None:
    content, style = picture(1), style_of(net, picture(2))
    faithful = Recipe(style_weight=1e6, content_weight=100.0, steps=12)
    near, far = (paint(net, content, style, recipe) for recipe in (faithful, RECIPE))
    assert (near - content).abs().mean() < (far - content).abs().mean()


def test_the_checkpoint_is_asked_and_may_stop_it(net: Vgg19) -> None:
    class Stop(Exception):
        pass

    calls = []

    def checkpoint() -> None:
        calls.append(1)
        if len(calls) == 3:
            raise Stop

    with pytest.raises(Stop):
        paint(net, picture(1), style_of(net, picture(2)), RECIPE, checkpoint=checkpoint)
    assert len(calls) == 3


def test_a_change_reaches_every_pixel_and_every_scale() -> None:
    start = torch.zeros(1, 3, 32, 48)
    change = Change(start)
    assert torch.equal(change.picture(), start)
    with torch.no_grad():
        change.scales[-1][0, 0, 1, 1] = 1.0
    assert (change.picture()[0, 0] > 0).sum() > 16 * 16
    assert torch.equal(change.picture()[0, 1:], start[0, 1:])
