"""The losses of Johnson et al. 2016: Gram matrices and deep responses of VGG-19, for those who have its weights.

Each is a share of what it is compared with, as in `dropscore.workloads.style_transfer.model`.
"""

from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812 - the name that all torch code uses
from torch import Tensor

from dropscore.models.architectures import build
from dropscore.models.importing import ImportRequest, import_model
from dropscore.models.networks.vgg import Vgg19, gram

STYLE_LAYERS = ("conv1_2", "conv2_2", "conv3_4", "conv4_4")
CONTENT_LAYER = "conv3_4"


def read_vgg(file: Path) -> Vgg19:
    """Read torchvision's weights of VGG-19."""
    package = import_model(ImportRequest(file=file, name="vgg19", architecture="vgg19"))
    network = build(package.package, package.files)
    assert isinstance(network, Vgg19)
    return network


class Perceptual:
    """Compares pictures by the responses of VGG-19."""

    def __init__(self, net: Vgg19, style: Tensor) -> None:
        """`style` is (1, 3, H, W), 0 to 255."""
        self._net = net
        with torch.no_grad():
            self._style = {name: gram(found) for name, found in net(style / 255, STYLE_LAYERS).items()}

    def __call__(self, painted: Tensor, photographs: Tensor) -> tuple[Tensor, Tensor]:
        """Style and content loss of pictures (N, 3, H, W), 0 to 255."""
        found = self._net(painted / 255, {*STYLE_LAYERS, CONTENT_LAYER})
        with torch.no_grad():
            wanted = self._net(photographs / 255, (CONTENT_LAYER,))[CONTENT_LAYER]
        style = torch.stack([_share(gram(found[name]), self._style[name]) for name in STYLE_LAYERS]).mean()
        return style, _share(found[CONTENT_LAYER], wanted)


def _share(found: Tensor, wanted: Tensor) -> Tensor:
    """Mean square of the difference as a share of the mean square of what is wanted."""
    return F.mse_loss(found, wanted.expand_as(found)) / wanted.square().mean()
