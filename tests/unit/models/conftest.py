"""Small packages made here, whole and with a dent."""

from collections.abc import Callable

import pytest
import torch
from safetensors.torch import save

from dropscore.contracts.package import ModelPackage
from dropscore.models.architectures import WEIGHTS
from dropscore.models.networks.transformer import TransformerNet
from dropscore.models.package import LoadedPackage, bundle

WIDTH = 2


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """As a lane of the worker computes. More threads would only wait for each other on a busy machine."""
    torch.set_num_threads(1)


@pytest.fixture
def network() -> TransformerNet:
    """A tiny network with weights from a seed."""
    torch.manual_seed(7)
    return TransformerNet(WIDTH).eval()


@pytest.fixture
def describe() -> Callable[..., ModelPackage]:
    """Descriptions of packages for the tiny network, with changes."""

    def make(**changes: object) -> ModelPackage:
        facts: dict[str, object] = {
            "name": "tiny",
            "version": "1",
            "workload": "style_transfer",
            "title": "Tiny",
            "architecture": "transformer_net",
            "parameters": {"width": WIDTH},
            "files": (),
            "licence": "MIT",
        }
        return ModelPackage.model_validate({**facts, **changes})

    return make


@pytest.fixture
def tiny(network: TransformerNet, describe: Callable[..., ModelPackage]) -> LoadedPackage:
    """The tiny network as a package."""
    return bundle(describe(), {WEIGHTS: save(network.state_dict())})
