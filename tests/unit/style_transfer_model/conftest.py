"""Scorers built as the worker builds them, around small networks."""

from collections.abc import Callable

import pytest
import torch
from style_scorers import Inputs, package_of

from dropscore.contracts.base import Json
from dropscore.contracts.codec import decode
from dropscore.models.networks.transformer import TransformerNet
from dropscore.models.package import LoadedPackage
from dropscore.models.shipped import shipped
from dropscore.workloads.base import LoadRequest, Scorer
from dropscore.workloads.style_transfer.options import StyleTransferOptions
from dropscore.workloads.style_transfer.score import SCORING


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """As a lane of the worker computes. More threads would only wait for each other on a busy machine."""
    torch.set_num_threads(1)


@pytest.fixture
def small() -> LoadedPackage:
    """A network of width 2 with random weights and results that fill the range of a picture."""
    torch.manual_seed(3)
    network = TransformerNet(2)
    with torch.no_grad():
        network.deconv3.conv2d.weight.mul_(60)
        network.deconv3.conv2d.bias.copy_(torch.tensor([128.0, 110.0, 90.0]))
    return package_of(network, 2)


@pytest.fixture
def features() -> LoadedPackage:
    """VGG-19 with random weights, as it ships."""
    return shipped("vgg19", "random-1")


type Load = Callable[..., Scorer]


@pytest.fixture
def load(small: LoadedPackage) -> Load:
    """Load a scorer for a package with options."""

    def make(
        package: LoadedPackage | None = None,
        *,
        inputs: Inputs | None = None,
        dtype: torch.dtype = torch.float32,
        channels_last: bool = False,
        device: str = "cpu",
        **options: Json,
    ) -> Scorer:
        package = package or small
        return SCORING.load(
            LoadRequest(
                package=package.package,
                files=package.files,
                options=decode(StyleTransferOptions, options),
                inputs=inputs or Inputs(),
                device=torch.device(device),
                dtype=dtype,
                channels_last=channels_last,
            )
        )

    return make
