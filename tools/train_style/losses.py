"""What the network is trained for, without any pretrained network.

Style: the patches of the result must be distributed as those of the style picture, at several scales. Two sets of
patches are compared through random linear features (filters drawn anew at each step): the sorted responses of each
filter must agree, which is the sliced Wasserstein distance (Rabin et al. 2011; for textures of networks' features
Heitz et al. 2021; on plain patches Elnekave and Weiss 2022). That shallow random features suffice for textures is
the finding of Ustyuzhaninov et al. 2016.

Content: where the photograph has structure, the result's lightness must rise and fall with it (the structure term
of SSIM, Wang et al. 2004), at scales broader than a brush stroke.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812 - the name that all torch code uses

PATCH = 7
"""Height and width of a patch in pixels, at each scale."""
FILTERS = 256
"""Random features in the bank of each scale."""
USED = 32
"""Features drawn from a bank for one step."""
SAMPLES = 16384
"""Patches compared for one feature, over the whole batch."""
QUANTILES = 2048
STYLE_SAMPLES = 2**17
"""About how many patches of the style picture are compared with."""


class PatchStyle:
    """Sliced Wasserstein distance between the patches of a batch and those of one style picture."""

    def __init__(self, style: torch.Tensor, generator: torch.Generator, *, levels: int = 4) -> None:
        """`style` is (1, 3, H, W), 0 to 255."""
        self._generator = generator
        scales = [_centred(level) for level in pyramid(style, levels)]
        self._colours = [_Bank(_colours(FILTERS, generator), scale) for scale in scales]
        self._textures = [_Bank(_textures(FILTERS, generator), scale) for scale in scales]

    def __call__(self, batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Distances of colours and of textures, each a mean over scales; `batch` is (N, 3, H, W), 0 to 255.

        Colours are compared over the whole batch, so that a dark photograph may take more of the night and a
        bright one more of the lights. Textures are compared in each picture, so that each is painted as the style is.
        """
        scales = [_centred(level) for level in pyramid(batch, len(self._colours))]
        colours = [bank.distance(x, _whole, self._generator) for bank, x in zip(self._colours, scales, strict=True)]
        textures = [bank.distance(x, _each, self._generator) for bank, x in zip(self._textures, scales, strict=True)]
        return torch.stack(colours).mean(), torch.stack(textures).mean()


class _Bank:
    """Filters and, for each, the quantiles of its responses to the style picture at one scale."""

    def __init__(self, filters: torch.Tensor, style: torch.Tensor) -> None:
        turned = style, style.transpose(2, 3).flip(2)
        responses = torch.cat([_both(turned, some) for some in torch.split(filters, 32)], dim=1)
        ordered = responses.sort(dim=-1).values
        self._filters = filters
        self._quantiles = F.interpolate(ordered, size=QUANTILES, mode="linear", align_corners=True)[0]

    def distance(
        self, x: torch.Tensor, grouped: Callable[[torch.Tensor], torch.Tensor], generator: torch.Generator
    ) -> torch.Tensor:
        """Mean distance of sorted responses, in standard deviations of the style's, for a draw of the filters."""
        drawn = torch.randperm(len(self._filters), generator=generator)[:USED]
        ours = _sample(grouped(F.conv2d(x, self._filters[drawn])), generator).sort(dim=-1).values
        theirs = self._quantiles[drawn][None]
        spread = theirs.std(-1).clamp_min(1e-3)
        theirs = F.interpolate(theirs, size=ours.shape[-1], mode="linear", align_corners=True)
        return ((ours - theirs).abs().mean(-1) / spread).mean()


def pyramid(image: torch.Tensor, levels: int) -> list[torch.Tensor]:
    """The image and its halvings."""
    steps = [image]
    for _ in range(levels - 1):
        steps.append(F.avg_pool2d(steps[-1], 2))
    return steps


def _centred(image: torch.Tensor) -> torch.Tensor:
    return image / 127.5 - 1.0


def _colours(count: int, generator: torch.Generator) -> torch.Tensor:
    """Random mixtures of the three channels of one pixel, (count, 3, 1, 1), of unit norm."""
    return _unit(torch.randn(count, 3, 1, 1, generator=generator))


def _textures(count: int, generator: torch.Generator) -> torch.Tensor:
    """Random filters of unit norm that are blind to flat colour, (count, 3, PATCH, PATCH)."""
    bank = torch.randn(count, 3, PATCH, PATCH, generator=generator)
    return _unit(bank - bank.mean((2, 3), keepdim=True))


def _unit(bank: torch.Tensor) -> torch.Tensor:
    length: torch.Tensor = torch.linalg.vector_norm(bank, dim=(1, 2, 3), keepdim=True)
    return bank / length


def _both(pictures: tuple[torch.Tensor, torch.Tensor], filters: torch.Tensor) -> torch.Tensor:
    """Responses (1, K, pixels) to the picture upright and turned by 90 degrees, so that no direction is preferred.
    Every seventh pixel or so stands for all: they are about to be sorted.
    """
    responses = torch.cat([F.conv2d(picture, filters).flatten(2) for picture in pictures], dim=2)
    return responses[..., :: max(1, responses.shape[-1] // STYLE_SAMPLES)]


def _whole(responses: torch.Tensor) -> torch.Tensor:
    """(N, K, H, W) to (1, K, pixels of all)."""
    return responses.transpose(0, 1).flatten(1)[None]


def _each(responses: torch.Tensor) -> torch.Tensor:
    """(N, K, H, W) to (N, K, pixels of one)."""
    return responses.flatten(2)


def _sample(responses: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Responses at random places: at most SAMPLES over all groups of (G, K, pixels), the same in each."""
    most = max(256, SAMPLES // responses.shape[0])
    if responses.shape[-1] <= most:
        return responses
    return responses[..., torch.randint(responses.shape[-1], (most,), generator=generator)]


class Structure:
    """One minus the local correlation of lightness, weighted by how much structure the photograph has."""

    def __init__(self, *, levels: tuple[int, ...] = (1, 2, 3), window: int = 9, floor: float = 60.0) -> None:
        """`levels` are halvings; `floor` is the variance (grey levels squared) that counts as half structure."""
        self._levels = levels
        self._window = window
        self._floor = floor

    def __call__(self, result: torch.Tensor, photograph: torch.Tensor) -> torch.Tensor:
        """Mean over levels; both (N, 3, H, W), 0 to 255."""
        ours = pyramid(lightness(result), max(self._levels) + 1)
        theirs = pyramid(lightness(photograph), max(self._levels) + 1)
        return torch.stack([self._distance(ours[i], theirs[i]) for i in self._levels]).mean()

    def _distance(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        mean_x, mean_y = self._local(x), self._local(y)
        var_x = self._local(x * x) - mean_x**2
        var_y = self._local(y * y) - mean_y**2
        cov = self._local(x * y) - mean_x * mean_y
        correlation = cov / ((var_x.clamp_min(0) + 4.0) * (var_y.clamp_min(0) + 4.0)).sqrt()
        weight = var_y / (var_y + self._floor)
        return _weighted_mean(1 - correlation, weight)

    def _local(self, image: torch.Tensor) -> torch.Tensor:
        return F.avg_pool2d(image, self._window, stride=1)


class Flow:
    """How far the result's fine lines are from running along the photograph's contours, 0 to 2.

    Both directions are read from structure tensors (Bigun and Granlund 1987): the photograph's over a window of some
    strokes, the result's over one about as wide as a stroke. The clearer the photograph's direction, the more it
    counts; lines of no clear direction count as half wrong.
    """

    def __call__(self, result: torch.Tensor, photograph: torch.Tensor) -> torch.Tensor:
        """Mean over two scales; both (N, 3, H, W), 0 to 255."""
        ours, theirs = pyramid(lightness(result), 2), pyramid(lightness(photograph), 3)
        wanted = _tensor(F.avg_pool2d(theirs[1], 3, stride=1, padding=1), 15)
        return 0.5 * (_misaligned(ours[0], wanted, 7) + _misaligned(ours[1], wanted, 5))


def _tensor(image: torch.Tensor, window: int) -> torch.Tensor:
    """Structure tensor over a window: (N, 3, H, W) with twice the angle's cosine and sine parts and the trace."""
    dx = F.pad(image, (1, 1, 0, 0), mode="replicate")
    dx = dx[..., 2:] - dx[..., :-2]
    dy = F.pad(image, (0, 0, 1, 1), mode="replicate")
    dy = dy[..., 2:, :] - dy[..., :-2, :]
    parts = torch.cat([dx * dx - dy * dy, 2 * dx * dy, dx * dx + dy * dy], dim=1)
    return F.avg_pool2d(parts, window, stride=1, padding=window // 2, count_include_pad=False)


def _misaligned(image: torch.Tensor, wanted: torch.Tensor, window: int) -> torch.Tensor:
    found = _tensor(image, window)
    wanted = F.interpolate(wanted, size=found.shape[-2:], mode="bilinear", align_corners=False)
    length = torch.linalg.vector_norm(wanted[:, :2], dim=1)
    agreement = (found[:, :2] * wanted[:, :2]).sum(1) / ((length + 1e-3) * (found[:, 2] + 4.0))
    weight = length / (wanted[:, 2] + 1.0)
    return _weighted_mean(1 - agreement, weight)


def _weighted_mean(values: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return (weight * values).sum() / weight.sum().clamp_min(1e-6)


def fringes(image: torch.Tensor) -> torch.Tensor:
    """How much red and blue differ from green from one pixel to the next, as a share of the range: what a photograph of
    paint hardly does, and a small network likes to do along edges. (N, 3, H, W), 0 to 255.
    """
    colour = torch.stack([image[:, 0] - image[:, 1], image[:, 2] - image[:, 1]], dim=1) / 255
    return colour.diff(dim=-1).abs().mean() + colour.diff(dim=-2).abs().mean()


def lightness(image: torch.Tensor) -> torch.Tensor:
    """Rec. 601 luma, (N, 1, H, W)."""
    weights = torch.tensor([0.299, 0.587, 0.114], device=image.device, dtype=image.dtype)
    return (image * weights[:, None, None]).sum(1, keepdim=True)
