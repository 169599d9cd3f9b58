"""Training pictures: crops of the real photographs that scikit-image carries in its wheel, varied at random."""

from pathlib import Path

import numpy as np
import skimage
import torch
import torch.nn.functional as F  # noqa: N812 - the name that all torch code uses
from PIL import Image

NAMES = (
    "astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "motorcycle_left.png", "motorcycle_right.png",
    "hubble_deep_field.jpg", "camera.png", "grass.png", "gravel.png", "brick.png", "moon.png", "coins.png",
)  # fmt: skip
"""Files of `skimage/data` in the wheel: portraits, animals, still life, machines, skies, surfaces."""

SHARES = (4, 3, 3, 3, 3, 2, 1, 3, 1, 1, 1, 1, 1)
"""How often each is used."""


class Photographs:
    """An endless, seeded stream of varied crops."""

    def __init__(self, seed: int) -> None:
        folder = Path(skimage.__file__).parent / "data"
        self._pictures = [_read(folder / name) for name in NAMES]
        self._odds = np.array(SHARES) / sum(SHARES)
        self._rng = np.random.default_rng(seed)

    def batch(self, count: int, size: int) -> torch.Tensor:
        """(count, 3, size, size) float32, 0 to 255, RGB."""
        return torch.cat([self._crop(size) for _ in range(count)])

    def _crop(self, size: int) -> torch.Tensor:
        rng = self._rng
        picture = self._pictures[rng.choice(len(self._pictures), p=self._odds)]
        height, width = picture.shape[-2:]
        side = int(min(height, width, size / rng.uniform(0.55, 2.4)))
        top, left = rng.integers(0, height - side + 1), rng.integers(0, width - side + 1)
        crop = picture[:, :, top : top + side, left : left + side]
        if rng.random() < 0.5:
            crop = crop.flip(-1)
        crop = F.interpolate(crop, size=(size, size), mode="bicubic", antialias=True, align_corners=False)
        return _relit(crop, rng).clamp(0, 255)


def _read(path: Path) -> torch.Tensor:
    pixels = np.array(Image.open(path).convert("RGB"))
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].float()


def _relit(crop: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Another exposure, contrast and white balance; now and then other colours altogether."""
    if rng.random() < 0.3:
        crop = crop[:, rng.permutation(3)]
    gamma, gain = rng.uniform(0.6, 1.6), rng.uniform(0.75, 1.2)
    balance = torch.from_numpy(rng.uniform(0.85, 1.15, (1, 3, 1, 1))).float()
    return 255 * (crop.clamp(0, 255) / 255) ** gamma * gain * balance
