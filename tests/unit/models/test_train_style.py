"""The tool that trains a style: its picture, its losses, and a very short training."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from dropscore.models.architectures import build
from dropscore.models.networks.vgg import Vgg19
from dropscore.models.package import FolderFiles, read_package
from tools.train_style import __main__ as command
from tools.train_style.losses import Flow, PatchStyle, Structure, fringes
from tools.train_style.painting import paint
from tools.train_style.photographs import Photographs
from tools.train_style.training import OFFSET, Progress, Recipe, train

SHORT = Recipe(width=2, steps=2, batch=2, crop=96)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(1)


def stripes(angle: float, size: int = 96) -> Tensor:
    """Soft stripes, 12 pixels from one to the next, whose lines run at `angle` to the right, (1, 3, S, S), 0 to 255."""
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    across = x * np.sin(angle) - y * np.cos(angle)
    return (127.5 + 100 * torch.sin(across * 2 * np.pi / 12)).float().expand(1, 3, size, size).contiguous()


@pytest.fixture(scope="module")
def style() -> Tensor:
    pixels = (paint(size=96) * 255).astype(np.uint8)
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].float()


def test_the_picture_is_painted_the_same_each_time() -> None:
    assert np.array_equal(paint(size=64), paint(size=64))
    assert not np.array_equal(paint(size=64), paint(seed=2, size=64))


def test_the_picture_has_the_whole_palette(style: Tensor) -> None:
    red, green, blue = style[0].flatten(1)
    assert ((blue > 150) & (red < 80)).float().mean() > 0.1
    assert ((red > 150) & (blue < 120)).float().mean() > 0.01
    assert style.min() < 20
    assert style.max() > 235
    assert green.std() > 30


def test_a_picture_is_nearest_to_its_own_style(style: Tensor) -> None:
    judge = PatchStyle(style, generator())
    own = sum(judge(style))
    assert own < 0.35 * sum(judge(stripes(0.3)))
    assert sum(judge(style.flip(3))) < 2 * own
    assert sum(judge(255 - style)) > 2 * own


def test_structure_is_kept_by_brightness_and_lost_by_inversion() -> None:
    photograph = Photographs(3).batch(2, 96)
    judge = Structure()
    assert judge(photograph, photograph) < 0.05
    assert judge(photograph * 0.5 + 60, photograph) < 0.1
    assert judge(255 - photograph, photograph) > 1.5


def test_lines_along_the_contours_are_right_and_across_them_wrong() -> None:
    judge = Flow()
    along, across = judge(stripes(0.5), stripes(0.5)), judge(stripes(0.5 + np.pi / 2), stripes(0.5))
    assert along < 0.1
    assert across > 1.8


def test_grey_has_no_fringes() -> None:
    assert fringes(stripes(0.2)) == 0
    coloured = stripes(0.2)
    coloured[:, 0] = coloured[:, 0].roll(2, -1)
    assert fringes(coloured) > 0.01


def test_photographs_come_in_a_fixed_order() -> None:
    one, other = Photographs(5).batch(3, 48), Photographs(5).batch(3, 48)
    assert torch.equal(one, other)
    assert one.shape == (3, 3, 48, 48)
    assert 0 <= one.min() <= one.max() <= 255
    assert not torch.equal(one, Photographs(6).batch(3, 48))


def test_the_same_recipe_gives_the_same_network(style: Tensor) -> None:
    (one, _), (other, _) = (train(SHORT, style, lambda step, progress: None) for _ in range(2))
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in one.state_dict().items())


def test_training_reports_every_loss_by_name(style: Tensor) -> None:
    seen: list[int] = []

    def report(step: int, progress: Progress) -> None:
        seen.append(step)
        assert all(np.isfinite(value) for value in progress.means().values())

    net, progress = train(SHORT, style, report)
    assert seen == [0, 1]
    named = {"colour", "texture", "content", "flow", "fringes", "range", "stability"}
    assert set(progress.means()) == named
    assert abs(net.deconv3.conv2d.bias.mean().item() - OFFSET) < 60


def test_a_vgg_takes_the_place_of_the_random_features(style: Tensor) -> None:
    vgg = Vgg19(random_seed=1).requires_grad_(requires_grad=False)
    _, progress = train(SHORT, style, lambda step, progress: None, vgg=vgg)
    assert set(progress.means()) == {"vgg_style", "vgg_content", "range", "stability"}


def test_the_command_writes_a_package_that_can_be_used(
    tmp_path: Path, style: Tensor, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "style.png"
    Image.fromarray(style[0].permute(1, 2, 0).byte().numpy()).save(picture)
    out = tmp_path / "own" / "7"
    arguments = ["--style", str(picture), "--name", "own", "--version", "7", "--out", str(out), "--steps", "1"]
    monkeypatch.setattr("sys.argv", ["train_style", *arguments, "--width", "2"])
    command.main()
    read = read_package(FolderFiles(out))
    assert (read.package.name, read.package.version, read.package.parameters) == ("own", "7", {"width": 2})
    assert read.package.recipe["style_picture"] == "style.png"
    assert build(read.package, read.files)(torch.rand(1, 3, 32, 32)).shape == (1, 3, 32, 32)
    assert read.digest in capsys.readouterr().out
