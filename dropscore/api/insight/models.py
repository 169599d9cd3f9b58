"""The model packages in storage, as the API shows them. A version never changes, so each is read once."""

import logging
import re

from dropscore.cloud.coalesced import Coalesced
from dropscore.cloud.ports import BlobStore, Clock
from dropscore.contracts import layout
from dropscore.contracts.codec import decode
from dropscore.contracts.errors import ContractError, FailedError, NotFoundError
from dropscore.contracts.failures import Code
from dropscore.contracts.http.models import ModelDocument, ModelVersion
from dropscore.contracts.identity import sha256_hex
from dropscore.contracts.layout import BlobPath
from dropscore.contracts.package import ModelAlias, ModelPackage
from dropscore.contracts.reading import suggestion

_LOG = logging.getLogger(__name__)
FRESH_S = 3.0
MOST_VERSIONS = 1000
_FOREVER_S = float("inf")

_NAME = r"[a-z0-9][a-z0-9._-]{0,63}"
_MANIFEST = re.compile(rf"(?P<name>{_NAME})/(?P<version>{_NAME})/package\.json")
_ALIAS = re.compile(rf"(?P<name>{_NAME})/aliases/(?P<alias>{_NAME})\.json")


class Models:
    """The models there are, a few seconds old at most."""

    def __init__(self, blobs: BlobStore, clock: Clock) -> None:
        self._blobs = blobs
        self._all = Coalesced(self._look, clock, fresh_s=FRESH_S, most=1)
        self._versions = Coalesced(self._version, clock, fresh_s=_FOREVER_S, most=MOST_VERSIONS)

    def models(self) -> tuple[ModelDocument, ...]:
        """Every model, by name; a package that cannot be read is left out, and said in the log."""
        return self._all(None)

    def model(self, name: str) -> ModelDocument:
        """One model. Raises `FailedError` (E-MODEL-UNKNOWN)."""
        models = {model.name: model for model in self.models()}
        if name not in models:
            message = f"There is no model {name[:64]!r}."
            raise FailedError.of(Code.MODEL_UNKNOWN, message, field="name", action=suggestion(name[:64], models))
        return models[name]

    def _look(self, _key: None, _last: object) -> tuple[ModelDocument, ...]:
        versions: dict[str, list[ModelVersion]] = {}
        aliases: dict[str, dict[str, str]] = {}
        for info in self._blobs.list(layout.models_prefix()):
            name = info.path.name
            if (found := _ALIAS.fullmatch(name)) and (version := self._alias(info.path)):
                aliases.setdefault(found["name"], {})[found["alias"]] = version
            elif (found := _MANIFEST.fullmatch(name)) and (told := self._versions((name, info.etag))[0]):
                versions.setdefault(found["name"], []).append(told)
        return tuple(
            ModelDocument(name=name, versions=tuple(versions[name]), aliases=aliases.get(name, {}))
            for name in sorted(versions)
        )

    def _version(self, manifest: tuple[str, str], _last: object) -> tuple[ModelVersion | None]:
        path = BlobPath(layout.models_prefix().container, manifest[0])
        try:
            data = self._blobs.get(path).data
            package = decode(ModelPackage, data)
        except (NotFoundError, ContractError) as error:
            _LOG.warning("A model package cannot be read: %s", error, extra={"action": "model_unreadable"})
            return (None,)
        told = ModelVersion(
            version=package.version,
            title=package.title,
            architecture=package.architecture,
            licence=package.licence,
            digest=sha256_hex(data),
            size_bytes=sum(file.size_bytes for file in package.files),
            metrics=package.metrics,
            training=package.recipe,
        )
        return (told,)

    def _alias(self, path: BlobPath) -> str | None:
        """The version that an alias stands for; None for one that is gone or cannot be read."""
        try:
            return decode(ModelAlias, self._blobs.get(path).data).version
        except (NotFoundError, ContractError):
            return None
