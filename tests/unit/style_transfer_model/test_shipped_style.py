"""The network that ships, on a real photograph: beautiful is for people to say, the rest is here."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import skimage
import torch
from PIL import Image
from style_scorers import Pixels, run

from dropscore.models.package import LoadedPackage
from dropscore.models.shipped import SHIPPED, shipped
from dropscore.workloads.base import Scorer
from dropscore.workloads.style_transfer.options import StyleTransferOptions

type Load = Callable[..., Scorer]

GOLDEN = Path(__file__).parent / "mosaic_night_golden.json"
"""Mean red, green and blue of the restyled photograph in 6 x 8 fields."""
ROWS, COLUMNS = 6, 8


@pytest.fixture(scope="module")
def package() -> LoadedPackage:
    return shipped("mosaic-night", "1")


@pytest.fixture(scope="module")
def photograph() -> Pixels:
    """A portrait, 360 x 480."""
    file = Path(skimage.__file__).parent / "data" / "astronaut.png"
    return np.ascontiguousarray(np.array(Image.open(file).convert("RGB"))[:360, :480])


def fields(pixels: Pixels) -> np.ndarray:
    """Mean colours of the fields of a 360 x 480 picture, (ROWS, COLUMNS, 3)."""
    return pixels.reshape(ROWS, 360 // ROWS, COLUMNS, 480 // COLUMNS, 3).mean((1, 3))


def luma(pixels: np.ndarray) -> np.ndarray:
    return pixels @ np.array([0.299, 0.587, 0.114])


def test_the_options_defaults_are_among_what_ships() -> None:
    options = StyleTransferOptions()
    assert options.default_model == "mosaic-night@stable"
    assert (SHIPPED / "mosaic-night" / "1" / "package.json").is_file()


def test_it_is_small_and_says_how_it_was_made(package: LoadedPackage) -> None:
    assert sum(map(len, package.files.values())) < 2_000_000
    recipe = package.package.recipe
    assert recipe["script"] == "python -m tools.train_style"
    assert isinstance(recipe["settings"], dict)
    assert recipe["settings"]["seed"] == 1889
    assert package.package.licence == "MIT"
    assert package.package.metrics["stability"]


def test_the_photograph_looks_as_it_did(load: Load, package: LoadedPackage, photograph: Pixels) -> None:
    """Within two grey levels in each field, so that processors may round as they like."""
    (painted,) = run(load(package), photograph)
    assert np.abs(fields(painted) - np.array(json.loads(GOLDEN.read_text()))).max() < 2


def test_the_photograph_is_painted_over_and_still_readable(
    load: Load, package: LoadedPackage, photograph: Pixels
) -> None:
    (painted,) = run(load(package), photograph)
    assert np.abs(painted.astype(int) - photograph).mean() > 30
    coarse = [luma(pixels).reshape(45, 8, 60, 8).mean((1, 3)).ravel() for pixels in (photograph, painted)]
    assert np.corrcoef(*coarse)[0, 1] > 0.8


def test_its_palette_is_the_nights(load: Load, package: LoadedPackage, photograph: Pixels) -> None:
    (painted,) = run(load(package), photograph)
    red, _, blue = painted.reshape(-1, 3).astype(int).T
    assert (blue > red + 40).mean() > 0.3
    assert (red > blue + 40).mean() > 0.02


def test_there_is_no_checkerboard(load: Load, package: LoadedPackage, photograph: Pixels) -> None:
    """Neighbouring pixels of a flat picture do not alternate."""
    flat = np.full((96, 96, 3), 150, dtype=np.uint8)
    (painted,) = run(load(package), flat)
    inner = luma(painted)[32:64, 32:64]
    assert np.abs(np.diff(inner, axis=0)).max() < 4
    assert np.abs(np.diff(inner, axis=1)).max() < 4


def test_a_moving_noisy_camera_moves_the_picture_and_little_else(
    load: Load, package: LoadedPackage, photograph: Pixels
) -> None:
    """What would flicker in a video: the same scene, three pixels aside and with noise."""
    draw = np.random.default_rng(0)
    noisy = np.clip(photograph + draw.normal(0, 4, photograph.shape), 0, 255).astype(np.uint8)
    scorer = load(package)
    (still,), (moved,) = run(scorer, photograph[:, :-4]), run(scorer, np.ascontiguousarray(noisy[:, 3:-1]))
    inner = np.s_[24:-24, 24:-24]
    difference = np.abs(luma(still[:, 3:].astype(float)) - luma(moved[:, :-3].astype(float)))[inner].mean()
    assert difference < 12


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_16_bits_are_as_good_as_the_package_says(
    load: Load, package: LoadedPackage, photograph: Pixels, dtype: torch.dtype
) -> None:
    assert package.package.half_precision
    small = np.ascontiguousarray(photograph[:96, :128])
    (exact,), (half,) = run(load(package), small), run(load(package, dtype=dtype, channels_last=True), small)
    assert np.abs(exact.astype(int) - half).mean() < 1.5
