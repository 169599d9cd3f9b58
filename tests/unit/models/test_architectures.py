"""Networks are built from names, parameters and tensors that fit exactly."""

import subprocess
import sys
from collections.abc import Callable

import pytest
import torch
from safetensors.torch import save

from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code
from dropscore.contracts.package import ModelPackage
from dropscore.models.architectures import WEIGHTS, build
from dropscore.models.networks.transformer import TransformerNet
from dropscore.models.package import LoadedPackage


def refusal(package: ModelPackage, weights: dict[str, torch.Tensor] | None) -> str:
    files = {} if weights is None else {WEIGHTS: save(weights)}
    with pytest.raises(FailedError) as caught:
        build(package, files)
    assert caught.value.failure.code is Code.MODEL_INVALID
    return caught.value.failure.message


def test_a_package_gives_back_the_network_it_was_made_of(tiny: LoadedPackage, network: TransformerNet) -> None:
    built = build(tiny.package, tiny.files)
    picture = torch.rand(1, 3, 20, 24) * 255
    assert torch.equal(built(picture), network(picture))
    assert not any(parameter.requires_grad for parameter in built.parameters())


def test_weights_stored_in_16_bits_are_widened(tiny: LoadedPackage, network: TransformerNet) -> None:
    halves = {name: value.half() for name, value in network.state_dict().items()}
    built = build(tiny.package, {WEIGHTS: save(halves)})
    assert {value.dtype for value in built.state_dict().values()} == {torch.float32}


def test_the_first_missing_tensor_is_named(tiny: LoadedPackage, network: TransformerNet) -> None:
    weights = network.state_dict()
    del weights["res3.conv2.conv2d.bias"]
    assert "'res3.conv2.conv2d.bias' is missing" in refusal(tiny.package, weights)


def test_an_unexpected_tensor_is_named(tiny: LoadedPackage, network: TransformerNet) -> None:
    weights = {**network.state_dict(), "in1.running_mean": torch.zeros(2)}
    assert "'in1.running_mean'" in refusal(tiny.package, weights)


def test_a_tensor_of_another_shape_is_named_with_both_shapes(tiny: LoadedPackage, network: TransformerNet) -> None:
    weights = {**network.state_dict(), "in1.weight": torch.zeros(3)}
    message = refusal(tiny.package, weights)
    assert "'in1.weight'" in message
    assert "(3,)" in message
    assert "(2,)" in message


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_numbers_are_refused(tiny: LoadedPackage, network: TransformerNet, value: float) -> None:
    weights = network.state_dict()
    weights["in1.bias"] = torch.full((2,), value)
    assert "'in1.bias'" in refusal(tiny.package, weights)


def test_whole_numbers_are_no_weights(tiny: LoadedPackage, network: TransformerNet) -> None:
    weights = {**network.state_dict(), "in1.bias": torch.zeros(2, dtype=torch.int64)}
    assert "int64" in refusal(tiny.package, weights)


def test_an_unknown_architecture_is_refused_with_the_known_ones(describe: Callable[..., ModelPackage]) -> None:
    message = refusal(describe(architecture="resnet"), {"a": torch.zeros(1)})
    assert "'resnet'" in message
    assert "transformer_net" in message


@pytest.mark.parametrize("parameters", [{"width": 0}, {"width": "8"}, {"wide": 8}, {"width": 65}])
def test_parameters_that_do_not_fit_are_refused(describe: Callable[..., ModelPackage], parameters: object) -> None:
    assert "parameters of transformer_net" in refusal(describe(parameters=parameters), {"a": torch.zeros(1)})


def test_a_network_without_its_weights_is_refused(describe: Callable[..., ModelPackage]) -> None:
    assert WEIGHTS in refusal(describe(), None)


def test_weights_that_are_no_safetensors_are_refused(describe: Callable[..., ModelPackage]) -> None:
    with pytest.raises(FailedError, match="no safetensors file"):
        build(describe(), {WEIGHTS: b"\x10\x00\x00\x00\x00\x00\x00\x00 not a header   "})


def test_random_features_take_no_weight_file(describe: Callable[..., ModelPackage]) -> None:
    package = describe(architecture="vgg19", parameters={"random_seed": 1})
    assert "only one can be meant" in refusal(package, {"a": torch.zeros(1)})


def test_the_rooms_of_packages_are_read_without_torch() -> None:
    modules = "package", "architectures", "registry", "shipped", "importing", "foreign"
    imports = "; ".join(f"import dropscore.models.{module}" for module in modules)
    code = f"{imports}; import sys; print([m for m in ('torch', 'numpy', 'safetensors') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
