"""Makes a package of a weight file from elsewhere: what `dropscore models import` does.

Here alone a torch checkpoint, a pickle, is opened, with torch's reader that accepts tensors and nothing that runs
(`weights_only=True`). What comes out is safetensors, built once as a check, and tried in 16 bits to learn whether the
package may say `half_precision`.
"""

import pickle
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from dropscore.contracts.base import Json
from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code
from dropscore.contracts.identity import sha256_hex
from dropscore.contracts.package import InputContract, ModelPackage
from dropscore.models.architectures import WEIGHTS, architecture, build
from dropscore.models.foreign import CONVERTERS, unwrap
from dropscore.models.package import WEIGHTS_SUFFIX, LoadedPackage, bundle

if TYPE_CHECKING:
    from torch import Tensor

MAX_BYTES = 2**31
"""Largest weight file read."""

INPUTS: Mapping[str, InputContract] = {
    "transformer_net": InputContract(size_multiple=4, min_size=1),
    "vgg19": InputContract(dtype="float32", value_range=(0.0, 1.0), min_size=16),
}
HALF_TOLERANCE = 1.5
"""Mean difference, in grey levels of 255, that 16 bits may make to the result on the test picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRequest:
    """What to import and what to call it."""

    file: Path
    name: str
    architecture: str
    version: str = "1"
    workload: str = "style_transfer"
    title: str = ""
    licence: str = "unknown"
    source: str = ""


def import_model(request: ImportRequest) -> LoadedPackage:
    """Convert a weight file into a package, ready for `ModelRegistry.push` or `save`.

    Raises `FailedError`: E-INPUT-MISSING without the file, E-MODEL-UNSAFE when it holds more than tensors,
    E-MODEL-INVALID when its tensors are not those of the architecture or a name is not allowed.
    """
    from safetensors.torch import save

    architecture(request.architecture)
    data = _read(request.file)
    tensors, parameters = CONVERTERS[request.architecture](_tensors(request.file, data))
    stored = {name: value.detach().float().contiguous() for name, value in tensors.items()}
    package = bundle(_describe(request, parameters, data), {WEIGHTS: save(stored)})
    build(package.package, package.files)
    return with_half_precision(package)


def _read(file: Path) -> bytes:
    try:
        size = file.stat().st_size
        if size > MAX_BYTES:
            raise FailedError.of(Code.INPUT_LIMIT, f"{file.name} has {size} bytes; at most {MAX_BYTES} are read")
        return file.read_bytes()
    except OSError as error:
        raise FailedError.of(Code.INPUT_MISSING, f"cannot read {file}: {error.strerror}") from None


def _tensors(file: Path, data: bytes) -> dict[str, "Tensor"]:
    if file.name.endswith(WEIGHTS_SUFFIX):
        return unwrap(_safetensors(file, data))
    return unwrap(_checkpoint(file))


def _safetensors(file: Path, data: bytes) -> Any:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return load(data)
    except SafetensorError as error:
        raise FailedError.of(Code.MODEL_INVALID, f"{file.name} is no safetensors file: {error}") from None


def _checkpoint(file: Path) -> Any:
    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of newer pickles, which it then reads or refuses
            return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise FailedError.of(
            Code.MODEL_UNSAFE,
            f"{file.name} holds more than tensors, and what it holds could run code: it was not loaded",
            detail=str(error),
            action="Ask its author for the state dictionary alone, or for safetensors.",
        ) from None
    except (RuntimeError, EOFError, ValueError, KeyError) as error:
        raise FailedError.of(
            Code.MODEL_INVALID, f"{file.name} is no torch checkpoint", detail=f"{type(error).__name__}: {error}"
        ) from None


def _describe(request: ImportRequest, parameters: Mapping[str, Json], data: bytes) -> ModelPackage:
    try:
        return ModelPackage(
            name=request.name,
            version=request.version,
            workload=request.workload,
            title=request.title or request.name,
            architecture=request.architecture,
            parameters=dict(parameters),
            files=(),
            input=INPUTS[request.architecture],
            licence=request.licence,
            source=request.source or request.file.name,
            recipe={"imported_from": request.file.name, "imported_sha256": sha256_hex(data)},
        )
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise FailedError.of(Code.MODEL_INVALID, f"{where}: {first['msg']}, got {first['input']!r}") from None


def with_half_precision(package: LoadedPackage) -> LoadedPackage:
    """The package with what 16 bits change in its result, and whether that is little enough to allow them. Tried only
    where the result is a picture.
    """
    if package.package.architecture != "transformer_net":
        return package
    metrics = half_precision_metrics(package)
    half = all(isinstance(value, float) and value <= HALF_TOLERANCE for value in metrics.values())
    measured = {**package.package.metrics, **metrics}
    described = package.package.model_copy(update={"metrics": measured, "half_precision": half})
    return bundle(described, package.files)


def half_precision_metrics(package: LoadedPackage) -> dict[str, Json]:
    """Mean difference in grey levels between 32 and 16 bits on a test picture, by type; None where it overflows."""
    import torch

    network = build(package.package, package.files)
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 3, 12, 12, generator=generator) * 255
    picture = torch.nn.functional.interpolate(coarse, size=96, mode="bicubic", align_corners=False).clamp(0, 255)
    found: dict[str, Json] = {}
    with torch.inference_mode():
        exact = network(picture).clamp(0, 255)
        for dtype in (torch.bfloat16, torch.float16):
            rounded = network.to(dtype)(picture.to(dtype)).float().clamp(0, 255)
            network = build(package.package, package.files)
            difference = (rounded - exact).abs().mean().item()
            key = f"half_difference_{str(dtype).removeprefix('torch.')}"
            found[key] = round(difference, 3) if torch.isfinite(rounded).all() else None
    return found
