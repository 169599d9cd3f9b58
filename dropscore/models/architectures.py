"""Architecture names, as packages give them, to networks. Only names that stand here can be built.

The parameters of each are a strict contract. Networks are named by strings and imported when one is built, so this
module can be read without torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, cast

from pydantic import Field

from dropscore.contracts.base import Contract
from dropscore.contracts.codec import decode
from dropscore.contracts.errors import ContractError, FailedError
from dropscore.contracts.failures import Code
from dropscore.contracts.package import ModelPackage
from dropscore.models.package import WEIGHTS_SUFFIX

if TYPE_CHECKING:
    from torch import Tensor, nn

WEIGHTS = "weights" + WEIGHTS_SUFFIX
"""Name of a package's weight file."""


class TransformerParameters(Contract):
    """`width`: channels at full size, 32 in the public weights."""

    width: Annotated[int, Field(ge=1, le=64)] = 32


class Vgg19Parameters(Contract):
    """`random_seed`: make the weights up from this seed instead of reading them."""

    random_seed: Annotated[int, Field(ge=0, lt=2**32)] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """A network that packages may name. `network` is `module:attribute`, called with the parameters."""

    parameters: type[Contract]
    network: str


ARCHITECTURES: Mapping[str, Architecture] = {
    "transformer_net": Architecture(
        parameters=TransformerParameters, network="dropscore.models.networks.transformer:TransformerNet"
    ),
    "vgg19": Architecture(parameters=Vgg19Parameters, network="dropscore.models.networks.vgg:Vgg19"),
}


def architecture(name: str) -> Architecture:
    """The architecture of this name. Raises `FailedError` (E-MODEL-INVALID) that lists the known ones."""
    if name not in ARCHITECTURES:
        listed = ", ".join(sorted(ARCHITECTURES))
        raise _invalid(f"architecture {name!r} is unknown; known: {listed}")
    return ARCHITECTURES[name]


def build(package: ModelPackage, files: Mapping[str, bytes]) -> "nn.Module":
    """The package's network in float32 on the processor, for inference. `files` are the package's verified bytes.

    Raises `FailedError` (E-MODEL-INVALID) that names the first parameter or tensor that does not fit.
    """
    chosen = architecture(package.architecture)
    try:
        parameters = decode(chosen.parameters, dict(package.parameters))
    except ContractError as error:
        raise _invalid(f"parameters of {package.architecture}: {error}") from None
    module, _, attribute = chosen.network.partition(":")
    network = cast("nn.Module", getattr(import_module(module), attribute)(**parameters.model_dump()))
    if getattr(parameters, "random_seed", None) is None:
        load_weights(network, _weights_of(files))
    elif WEIGHTS in files:
        raise _invalid(f"it has both the parameter 'random_seed' and the file {WEIGHTS}; only one can be meant")
    return network.eval().requires_grad_(requires_grad=False)


def load_weights(network: "nn.Module", tensors: Mapping[str, "Tensor"]) -> None:
    """Give a network its weights, all of them and nothing else, stored as 16 or 32 bit floats."""
    expected = network.state_dict()
    for name, wanted in expected.items():
        if name not in tensors:
            raise _invalid(f"the tensor {name!r} is missing")
        _check_tensor(name, tensors[name], wanted)
    extra = sorted(set(tensors) - set(expected))
    if extra:
        raise _invalid(f"the tensor {extra[0]!r} is not part of this network")
    network.load_state_dict(dict(tensors))


def _check_tensor(name: str, found: "Tensor", wanted: "Tensor") -> None:
    if found.shape != wanted.shape:
        raise _invalid(f"the tensor {name!r} has the shape {tuple(found.shape)}, expected {tuple(wanted.shape)}")
    if not found.is_floating_point():
        raise _invalid(f"the tensor {name!r} holds {found.dtype}, expected floating-point numbers")
    if not bool(found.isfinite().all()):
        raise _invalid(f"the tensor {name!r} holds a value that is not a number")


def _weights_of(files: Mapping[str, bytes]) -> dict[str, "Tensor"]:
    from safetensors import SafetensorError
    from safetensors.torch import load

    if WEIGHTS not in files:
        raise _invalid(f"the file {WEIGHTS} is missing")
    try:
        tensors: dict[str, Any] = load(files[WEIGHTS])
    except SafetensorError as error:
        raise _invalid(f"{WEIGHTS} is no safetensors file: {error}") from None
    return tensors


def _invalid(message: str) -> FailedError:
    return FailedError.of(Code.MODEL_INVALID, f"model package: {message}", field="model")
