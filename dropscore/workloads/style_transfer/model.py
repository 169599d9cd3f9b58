"""Style transfer by optimisation of the picture itself (Gatys, Ecker and Bethge 2016).

The picture is changed by L-BFGS until its deep responses resemble the content's (`CONTENT_LAYER`) and the
correlations of its responses, the Gram matrices, resemble the style picture's (`STYLE_LAYERS`). Losses are weighed
as in the 2018 reference architecture: mean squared errors, Gram matrices divided by channels times pixels.

What does not change is computed once: the style's Gram matrices for each style picture, the content's responses
for each frame.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 - the name that all torch code uses
from torch import Tensor

from dropscore.models.networks.vgg import Vgg19

STYLE_LAYERS = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")
CONTENT_LAYER = "conv4_2"
HISTORY = 20
"""Earlier steps that L-BFGS remembers; each costs twice the memory of the picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How strongly and how long to optimise."""

    style_weight: float
    content_weight: float
    steps: int
    """Times the losses and their gradient are evaluated."""


def gram(responses: Tensor) -> Tensor:
    """Gram matrices of (N, C, H, W): (N, C, C), divided by C * H * W."""
    n, c, h, w = responses.shape
    flat = responses.reshape(n, c, h * w)
    return torch.bmm(flat, flat.transpose(1, 2)) / (c * h * w)


def style_of(net: Vgg19, picture: Tensor) -> Mapping[str, Tensor]:
    """Gram matrices of a style picture (1, 3, H, W), RGB from 0 to 1, by layer."""
    with torch.no_grad():
        return {name: gram(found) for name, found in net(picture, STYLE_LAYERS).items()}


def losses(net: Vgg19, picture: Tensor, content: Tensor, style: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Style and content loss of a picture (1, 3, H, W); `content` holds the responses of `CONTENT_LAYER`."""
    found = net(picture, (*STYLE_LAYERS, CONTENT_LAYER))
    of_style = torch.stack([F.mse_loss(gram(found[name]), style[name]) for name in STYLE_LAYERS]).sum()
    return of_style, F.mse_loss(found[CONTENT_LAYER], content)


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
    picture = (content if start is None else start).clone().requires_grad_(True)
    optimiser = torch.optim.LBFGS(
        [picture],
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
        of_style, of_content = losses(net, picture, target, style)
        loss = recipe.style_weight * of_style + recipe.content_weight * of_content
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimiser.step(evaluate)  # type: ignore[no-untyped-call]
    return picture.detach().clamp(0.0, 1.0)
