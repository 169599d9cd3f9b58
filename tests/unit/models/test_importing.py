"""Weights from elsewhere become packages, under every name the public checkpoints have had."""

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code
from dropscore.models.architectures import WEIGHTS, build
from dropscore.models.foreign import VGG19_POSITIONS, vgg19
from dropscore.models.importing import ImportRequest, import_model
from dropscore.models.networks.transformer import TransformerNet
from dropscore.models.networks.vgg import NAMES, Vgg19
from dropscore.models.package import FolderFiles, LoadedPackage, read_package, save

type Naming = Callable[[dict[str, Tensor]], dict[str, Tensor]]


def as_today(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return weights


def with_statistics(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """As torch before 0.4 stored instance normalisation."""
    kept = {name: torch.rand_like(value) for name, value in weights.items() if ".in" in f".{name}"}
    return {
        **weights,
        **{name.replace("weight", "running_mean"): value for name, value in kept.items() if name.endswith("weight")},
        **{name.replace("weight", "running_var"): value for name, value in kept.items() if name.endswith("weight")},
    }


def with_own_normalisation(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """As the first versions of the example named it."""

    def old(name: str) -> str:
        is_norm = name.rpartition(".")[0].rpartition(".")[2].startswith("in")
        return name.replace("weight", "scale").replace("bias", "shift") if is_norm else name

    return {old(name): value for name, value in weights.items()}


def from_several_devices(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"module.{name}": value for name, value in weights.items()}


def checkpoint(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


def imported(file: Path, architecture: str = "transformer_net", **changes: str) -> LoadedPackage:
    return import_model(ImportRequest(file=file, name="new", architecture=architecture, **changes))


def refusal(file: Path, **changes: str) -> FailedError:
    with pytest.raises(FailedError) as caught:
        imported(file, **changes)
    return caught.value


@pytest.mark.parametrize("naming", [as_today, with_statistics, with_own_normalisation, from_several_devices])
def test_every_naming_gives_the_same_network(network: TransformerNet, tmp_path: Path, naming: Naming) -> None:
    package = imported(checkpoint(tmp_path / "style.pth", naming(network.state_dict())))
    picture = torch.rand(1, 3, 24, 20) * 255
    assert torch.equal(build(package.package, package.files)(picture), network(picture))
    assert package.package.parameters == {"width": 2}


@pytest.mark.parametrize("wrapper", ["state_dict", "model", "net"])
def test_a_wrapped_checkpoint_is_unwrapped(network: TransformerNet, tmp_path: Path, wrapper: str) -> None:
    package = imported(checkpoint(tmp_path / "a.pth", {wrapper: network.state_dict(), "epoch": 3}))
    assert package.files[WEIGHTS]


def test_a_checkpoint_of_the_old_file_format_is_read(network: TransformerNet, tmp_path: Path) -> None:
    torch.save(network.state_dict(), tmp_path / "old.model", _use_new_zipfile_serialization=False)
    assert imported(tmp_path / "old.model").package.parameters == {"width": 2}


def test_safetensors_are_read_without_unpickling(network: TransformerNet, tmp_path: Path) -> None:
    save_file(network.state_dict(), tmp_path / "a.safetensors")
    assert imported(tmp_path / "a.safetensors").package.parameters == {"width": 2}


def test_an_imported_package_passes_its_own_verification(network: TransformerNet, tmp_path: Path) -> None:
    package = imported(checkpoint(tmp_path / "a.pth", network.state_dict()), version="3", licence="BSD-3-Clause")
    save(package, tmp_path / "p")
    assert read_package(FolderFiles(tmp_path / "p"), digest=package.digest) == package
    assert (package.package.version, package.package.licence) == ("3", "BSD-3-Clause")


def test_the_same_file_gives_the_same_package(network: TransformerNet, tmp_path: Path) -> None:
    file = checkpoint(tmp_path / "a.pth", network.state_dict())
    assert imported(file).digest == imported(file).digest


def test_16_bits_are_allowed_only_where_they_change_little(network: TransformerNet, tmp_path: Path) -> None:
    with torch.no_grad():
        network.deconv3.conv2d.weight.mul_(20)
    mild = imported(checkpoint(tmp_path / "a.pth", network.state_dict())).package
    assert mild.half_precision
    assert set(mild.metrics) == {"half_difference_bfloat16", "half_difference_float16"}
    with torch.no_grad():
        network.conv1.conv2d.weight.mul_(1e4)
    assert not imported(checkpoint(tmp_path / "b.pth", network.state_dict())).package.half_precision


def test_torchvision_weights_become_features_up_to_conv5_1(tmp_path: Path) -> None:
    features = Vgg19(random_seed=5).state_dict()
    theirs = {
        f"features.{position}.{kind}": features[f"{name}.{kind}"]
        for position, name in VGG19_POSITIONS.items()
        for kind in ("weight", "bias")
    }
    beyond = {"features.30.weight": torch.zeros(1), "classifier.0.weight": torch.zeros(1)}
    package = imported(checkpoint(tmp_path / "vgg19.pth", {**theirs, **beyond}), architecture="vgg19")
    built = build(package.package, package.files).state_dict()
    assert set(built) == set(features)
    assert all(torch.equal(built[name], features[name]) for name in features)


def test_positions_follow_the_published_layers() -> None:
    layers = ["C", "C", "P", "C", "C", "P", *"CCCCP", *"CCCCP", "C"]
    position, found = 0, []
    for layer in layers:
        if layer == "C":
            found.append(position)
        position += 2 if layer == "C" else 1
    assert dict(zip(found, NAMES, strict=True)) == VGG19_POSITIONS


def test_features_saved_alone_are_torchvision_weights_too() -> None:
    theirs = {f"{position}.{kind}": torch.zeros(1) for position in VGG19_POSITIONS for kind in ("weight", "bias")}
    renamed, _ = vgg19(theirs)
    assert set(renamed) == {f"{name}.{kind}" for name in NAMES for kind in ("weight", "bias")}


def touch(name: str) -> None:
    Path(name).touch()


class Dangerous:
    """What a malicious checkpoint would hold."""

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return touch, ("pwned",)


@pytest.mark.fault(62)
@pytest.mark.parametrize("write", [pickle.dump, torch.save])
def test_a_checkpoint_that_would_run_code_runs_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[..., None]
) -> None:
    monkeypatch.chdir(tmp_path)
    with (tmp_path / "evil.pth").open("wb") as file:
        write({"conv1.conv2d.weight": Dangerous()}, file)
    error = refusal(tmp_path / "evil.pth")
    assert error.failure.code is Code.MODEL_UNSAFE
    assert "evil.pth" in error.failure.message
    assert not (tmp_path / "pwned").exists()


@pytest.mark.fault(62)
def test_a_whole_network_object_is_refused(network: TransformerNet, tmp_path: Path) -> None:
    assert refusal(checkpoint(tmp_path / "whole.pth", network)).failure.code is Code.MODEL_UNSAFE


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 no zip", b"\x80\x02"])
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.pth").write_bytes(content)
    assert refusal(tmp_path / "a.pth").failure.code in (Code.MODEL_INVALID, Code.MODEL_UNSAFE)


@pytest.mark.parametrize("content", [{}, {"epoch": 1}, [1, 2], {"fc.weight": torch.zeros(2, 2)}])
def test_other_weights_are_refused(tmp_path: Path, content: object) -> None:
    assert refusal(checkpoint(tmp_path / "a.pth", content)).failure.code is Code.MODEL_INVALID


def test_a_network_with_a_layer_missing_names_it(network: TransformerNet, tmp_path: Path) -> None:
    weights = network.state_dict()
    del weights["res5.in2.weight"]
    assert "'res5.in2.weight'" in refusal(checkpoint(tmp_path / "a.pth", weights)).failure.message


def test_a_name_that_is_not_allowed_is_refused_with_the_name(network: TransformerNet, tmp_path: Path) -> None:
    file = checkpoint(tmp_path / "a.pth", network.state_dict())
    with pytest.raises(FailedError, match=r"name: .*'Not Allowed'"):
        import_model(ImportRequest(file=file, name="Not Allowed", architecture="transformer_net"))


def test_a_missing_file_and_an_unknown_architecture_are_said(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.pth").failure.code is Code.INPUT_MISSING
    assert "known: transformer_net, vgg19" in refusal(tmp_path / "none.pth", architecture="x").failure.message
