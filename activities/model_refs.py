"""The model of a request, resolved: `name`, `name@version` or `name@alias` to one version and its digest."""

from itertools import islice

from dropscore.cloud.ports import BlobStore
from dropscore.contracts import layout
from dropscore.contracts.codec import decode, parse
from dropscore.contracts.errors import ContractError, NotFoundError
from dropscore.contracts.failures import Code, Failure, failure
from dropscore.contracts.identity import sha256_hex
from dropscore.contracts.layout import BlobPath
from dropscore.contracts.names import ContainerName
from dropscore.contracts.package import ModelPackage
from dropscore.contracts.reading import suggestion
from dropscore.contracts.request import ModelRef

DEFAULT_ALIAS = "stable"
"""The alias meant by a bare name."""
_LISTED_AT_MOST = 2000


class ModelRefs:
    """Looks up model packages in the container `models`."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs

    def resolve(self, wanted: str, workload: str) -> ModelRef | Failure:
        """The version and digest that `wanted` stands for now, if it is a package for this workload."""
        name, _, reference = wanted.partition("@")
        reference = reference or DEFAULT_ALIAS
        if not _well_formed(name, reference):
            message = f"{wanted!r} is no name of a model: that is 'name', 'name@version' or 'name@alias'."
            return failure(Code.MODEL_UNKNOWN, message, field="model", action=suggestion(name, self._names("")))
        try:
            return self._package(name, self._version(name, reference), workload)
        except ContractError as error:
            return failure(Code.MODEL_INVALID, f"The model {wanted!r} cannot be read: {error}.", field="model")
        except NotFoundError:
            return self._unknown(wanted, name)

    def _version(self, name: str, reference: str) -> str:
        """The version an alias points to; what is no alias is a version."""
        try:
            alias = parse(self._blobs.get(layout.model_alias(name, reference)).data, name=f"alias {reference}")
        except NotFoundError:
            return reference
        version = alias.get("version") if isinstance(alias, dict) else None
        if not isinstance(version, str):
            raise ContractError(f"alias {reference}", (("$.version", "missing"),))
        return version

    def _package(self, name: str, version: str, workload: str) -> ModelRef | Failure:
        data = self._blobs.get(layout.package(name, version)).data
        package = decode(ModelPackage, data)
        if package.workload != workload:
            message = f"The model {name!r} is for {package.workload!r}, not for {workload!r}."
            return failure(Code.MODEL_INVALID, message, field="model")
        return ModelRef(name=name, version=version, digest=sha256_hex(data))

    def _unknown(self, wanted: str, name: str) -> Failure:
        models = self._names("")
        if name in models:
            versions = self._names(f"{name}/") - {"aliases"}
            aliases = {alias.removesuffix(".json") for alias in self._names(f"{name}/aliases/")}
            action = suggestion(wanted, {f"{name}@{reference}" for reference in versions | aliases})
        else:
            action = suggestion(name, models)
        return failure(Code.MODEL_UNKNOWN, f"There is no model {wanted!r}.", field="model", action=action)

    def _names(self, prefix: str) -> set[str]:
        """The next part of the names of blobs below a prefix."""
        blobs = islice(self._blobs.list(BlobPath(ContainerName.MODELS, prefix)), _LISTED_AT_MOST)
        return {info.path.name.removeprefix(prefix).partition("/")[0] for info in blobs}


def _well_formed(name: str, version: str) -> bool:
    try:
        decode(ModelRef, {"name": name, "version": version, "digest": "0" * 64})
    except ContractError:
        return False
    return True
