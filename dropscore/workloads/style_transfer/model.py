"""Style transfer by optimisation of the picture itself (Gatys, Ecker and Bethge 2016).

The picture is changed by L-BFGS until its deep responses resemble the content's (`CONTENT_LAYER`) and the
correlations of its responses, the Gram matrices, resemble the style picture's (`STYLE_LAYERS`). Each loss is a share
of what it is compared with, so every layer counts alike and the same weights suit trained and random networks.

What does not change is computed once: the style's Gram matrices for each style picture, the content's responses
for each frame.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 - the name that all torch code uses
from torch import Tensor

from dropscore.models.networks.vgg import Vgg19, gram

STYLE_LAYERS = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")
CONTENT_LAYER = "conv4_2"
STYLE_UNIT = 1e-6
"""What one unit of style weight counts: with it the defaults of the 2018 reference architecture (1e8 for style, 1 for
content) give a picture that is clearly painted and still readable."""
OUTSIDE = 0.1
"""Weight of what lies outside the range of a picture, as a share of the two weights."""
SCALES = 5
"""Scales at which a picture is changed: full size to a sixteenth."""
HISTORY = 20
"""Earlier steps that L-BFGS remembers; each costs twice the memory of the picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How strongly and how long to optimise."""

    style_weight: float
    content_weight: float
    steps: int
    """Times the losses and their gradient are evaluated."""


def style_of(net: Vgg19, picture: Tensor) -> Mapping[str, Tensor]:
    """Gram matrices of a style picture (1, 3, H, W), RGB from 0 to 1, by layer."""
    with torch.no_grad():
        return {name: gram(found) for name, found in net(picture, STYLE_LAYERS).items()}


def losses(net: Vgg19, picture: Tensor, content: Tensor, style: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Style and content loss of a picture (1, 3, H, W); `content` holds the responses of `CONTENT_LAYER`."""
    found = net(picture, (*STYLE_LAYERS, CONTENT_LAYER))
    of_style = torch.stack([_difference(gram(found[name]), style[name]) for name in STYLE_LAYERS]).mean()
    return of_style, _difference(found[CONTENT_LAYER], content)


def _difference(found: Tensor, wanted: Tensor) -> Tensor:
    """Mean square of the difference, as a share of the mean square of what is wanted."""
    return F.mse_loss(found, wanted) / wanted.square().mean().clamp_min(1e-12)


def paint(
    net: Vgg19,
    content: Tensor,
    style: Mapping[str, Tensor],
    recipe: Recipe,
    *,
    start: Tensor | None = None,
    checkpoint: Callable[[], None] = lambda: None,
) -> Tensor:
    """Restyle one picture (1, 3, H, W), RGB from 0 to 1; gives the same shape and range.

    Starts from `start` (the result for the frame before, say), or from the content. `checkpoint` is called before
    each evaluation and may raise to stop. The same arguments give the same bits on the same device.
    """
    with torch.no_grad():
        target = net(content, (CONTENT_LAYER,))[CONTENT_LAYER]
    style_weight = STYLE_UNIT * recipe.style_weight
    change = Change(content if start is None else start)
    optimiser = torch.optim.LBFGS(
        change.scales,
        max_iter=recipe.steps,
        max_eval=recipe.steps,
        history_size=HISTORY,
        tolerance_grad=0.0,
        tolerance_change=0.0,
        line_search_fn="strong_wolfe",
    )

    def evaluate() -> Tensor:
        checkpoint()
        optimiser.zero_grad()
        picture = change.picture()
        visible = picture.clamp(0.0, 1.0)
        of_style, of_content = losses(net, visible, target, style)
        loss = style_weight * of_style + recipe.content_weight * of_content
        # Only what can be shown is judged; what lies beyond would not be pulled back by that.
        loss = loss + OUTSIDE * (style_weight + recipe.content_weight) * F.mse_loss(picture, visible)
        loss.backward()  # type: ignore[no-untyped-call] # torch declares no types here
        return loss

    optimiser.step(evaluate)  # type: ignore[no-untyped-call] # torch declares no types here
    return change.picture().detach().clamp(0.0, 1.0)


class Change:
    """A picture as its start plus a change that is held at several scales, each half the size of the one before.

    The pictures that can be reached are the same. But the optimiser finds broad strokes as easily as single pixels, and
    so needs a fraction of the steps and leaves less noise.
    """

    def __init__(self, start: Tensor) -> None:
        n, channels, height, width = start.shape
        self._start = start
        self.scales = [
            start.new_zeros(n, channels, max(1, height >> k), max(1, width >> k)).requires_grad_()
            for k in range(SCALES)
        ]

    def picture(self) -> Tensor:
        """The changed picture, the shape of the start."""
        picture = self._start + self.scales[0]
        for scale in self.scales[1:]:
            picture = picture + F.interpolate(scale, size=picture.shape[-2:], mode="bilinear", align_corners=False)
        return picture
