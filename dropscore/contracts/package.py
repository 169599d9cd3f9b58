"""A model package: what `models/<name>/<version>/package.json` says."""

from typing import Annotated

from pydantic import Field, StringConstraints

from dropscore.contracts.base import Contract, Count, Json, Sha256, Stored
from dropscore.contracts.request import ModelName, WorkloadName


class PackageFile(Contract):
    """One file of the package, beside `package.json`."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]
    sha256: Sha256
    size_bytes: Count


class InputContract(Contract):
    """What the network expects. `channels` is in the order of the tensor; `value_range` is after `scale`."""

    channels: tuple[str, ...] = ("red", "green", "blue")
    dtype: str = "uint8"
    value_range: tuple[float, float] = (0.0, 255.0)
    size_multiple: Annotated[int, Field(ge=1)] = 1
    """Height and width are padded by reflection to a multiple of this, and the result is cropped."""
    min_size: Annotated[int, Field(ge=1)] = 1
    notes: str = ""


class ModelPackage(Stored):
    """`package.json`. Its SHA-256 is the package's digest.

    `architecture` names a network that this code can build (`dropscore.models.architectures`); `parameters`
    are its constructor's arguments. Weights are safetensors. `half_precision` says whether 16-bit arithmetic
    gives results within the package's tolerance; the worker uses it only where the device is faster with it.
    """

    name: ModelName
    version: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
    workload: WorkloadName
    title: str
    description: str = ""
    architecture: str
    parameters: dict[str, Json] = {}
    files: tuple[PackageFile, ...]
    input: InputContract = InputContract()
    labels: tuple[str, ...] = ()
    half_precision: bool = False
    licence: str
    author: str = ""
    source: str = ""
    recipe: dict[str, Json] = {}
    """How it was trained: script, data, seed, steps, losses."""
    metrics: dict[str, Json] = {}


class ModelAlias(Stored):
    """`models/<name>/aliases/<alias>.json`: the version that an alias, such as `stable`, stands for."""

    version: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
