"""The training loop: photographs through the network, losses, one step of Adam."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from dropscore.models.networks.transformer import TransformerNet
from dropscore.models.networks.vgg import Vgg19
from tools.train_style.losses import Flow, PatchStyle, Structure, fringes
from tools.train_style.perceptual import Perceptual
from tools.train_style.photographs import Photographs

OFFSET, SPAN = 110.0, 60.0
"""The network is trained to give (picture - OFFSET) / SPAN, values near 1, and these are worked into its last layer
afterwards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything that decides the outcome, with one torch thread and one version of torch."""

    width: int = 8
    steps: int = 1300
    batch: int = 4
    crop: int = 192
    """Height and width of the training pictures in pixels."""
    margin: int = 8
    """Pixels at the border that are not judged: what lies there is half reflection."""
    learning_rate: float = 4e-3
    style_zoom: float = 1.1
    """The style picture is enlarged by this; strokes of the result grow with it."""
    colour: float = 1.0
    texture: float = 1.2
    content: float = 1.5
    flow: float = 0.1
    fringes: float = 0.8
    vgg_style: float = 3.0
    """Used with a trained VGG-19, with `vgg_content`, instead of the five above."""
    vgg_content: float = 1.0
    stability: float = 5.0
    range: float = 2.0
    """Weight of values outside 0 to 255."""
    seed: int = 1889


@dataclass(slots=True)
class Progress:
    """The last losses, by name."""

    recent: dict[str, deque[float]] = field(default_factory=dict)

    def note(self, losses: dict[str, Tensor]) -> None:
        """Keep the values of one step."""
        for name, value in losses.items():
            self.recent.setdefault(name, deque(maxlen=100)).append(value.item())

    def means(self) -> dict[str, float]:
        """Means over the last hundred steps."""
        return {name: round(sum(values) / len(values), 5) for name, values in self.recent.items()}


class Judge:
    """All losses of one step, by name, each with its weight in the recipe."""

    def __init__(
        self, recipe: Recipe, style: Tensor, generator: torch.Generator, perceptual: Perceptual | None = None
    ) -> None:
        self._recipe = recipe
        self._generator = generator
        self._perceptual = perceptual
        self._style = PatchStyle(style, generator)
        self._structure = Structure()
        self._flow = Flow()

    def __call__(self, net: Callable[[Tensor], Tensor], photographs: Tensor) -> dict[str, Tensor]:
        """Losses of what the network makes of photographs, (N, 3, H, W), 0 to 255."""
        painted = net(photographs)
        inner, original = (_inside(x, self._recipe.margin) for x in (painted, photographs))
        return {
            **(
                self._by_random_features(inner, original) if self._perceptual is None else self._by_vgg(inner, original)
            ),
            "range": ((painted - painted.clamp(0, 255)) / 255).abs().mean(),
            "stability": self._unstable(net, photographs, painted),
        }

    def _by_random_features(self, painted: Tensor, photographs: Tensor) -> dict[str, Tensor]:
        colour, texture = self._style(painted)
        return {
            "colour": colour,
            "texture": texture,
            "content": self._structure(painted, photographs),
            "flow": self._flow(painted, photographs),
            "fringes": fringes(painted),
        }

    def _by_vgg(self, painted: Tensor, photographs: Tensor) -> dict[str, Tensor]:
        assert self._perceptual is not None
        style, content = self._perceptual(painted, photographs)
        return {"vgg_style": style, "vgg_content": content}

    def _unstable(self, net: Callable[[Tensor], Tensor], photographs: Tensor, painted: Tensor) -> Tensor:
        """How much the result of half the batch differs when the camera moves a little, with noise and another
        exposure: what would flicker in a video.
        """
        half = photographs[: len(photographs) // 2]
        shift = [int(step) for step in torch.randint(-6, 7, (2,), generator=self._generator)]
        moved = torch.roll(half, shift, (2, 3))
        exposure = 1 + 0.06 * torch.randn(len(half), 1, 1, 1, generator=self._generator)
        noisy = (moved * exposure + 6 * torch.randn(half.shape, generator=self._generator)).clamp(0, 255)
        expected = torch.roll(painted[: len(half)], shift, (2, 3))
        return _inside((expected - net(noisy)) / 255, 16).square().mean()


def train(
    recipe: Recipe, style: Tensor, report: Callable[[int, Progress], None], *, vgg: Vgg19 | None = None
) -> tuple[TransformerNet, Progress]:
    """Train on one thread, so that the same recipe gives the same network. `style` is (1, 3, H, W), 0 to 255.

    With the weights of a trained VGG-19, its responses judge; without, random features and the photograph's contours.
    """
    torch.set_num_threads(1)
    torch.manual_seed(recipe.seed)
    generator = torch.Generator().manual_seed(recipe.seed)
    net, photographs = TransformerNet(recipe.width), Photographs(recipe.seed)
    judge = Judge(recipe, style, generator, None if vgg is None else Perceptual(vgg, style))
    progress = Progress()
    optimiser = torch.optim.Adam(net.parameters(), lr=recipe.learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, recipe.learning_rate, total_steps=recipe.steps, pct_start=0.1
    )
    for step in range(recipe.steps):
        losses = judge(lambda x: OFFSET + SPAN * net(x), photographs.batch(recipe.batch, recipe.crop))
        total = torch.stack([getattr(recipe, name) * value for name, value in losses.items()]).sum()
        optimiser.zero_grad()
        total.backward()  # type: ignore[no-untyped-call] # torch declares no types here
        optimiser.step()
        schedule.step()
        progress.note(losses)
        report(step, progress)
    return _in_grey_levels(net), progress


@torch.no_grad()
def _in_grey_levels(net: TransformerNet) -> TransformerNet:
    """Work OFFSET and SPAN into the last layer, so that the network gives pictures from 0 to 255."""
    last: nn.Conv2d = net.deconv3.conv2d
    assert last.bias is not None
    last.weight.mul_(SPAN)
    last.bias.mul_(SPAN).add_(OFFSET)
    return net.eval()


def _inside(image: Tensor, margin: int) -> Tensor:
    return image[..., margin:-margin, margin:-margin]
