"""Model packages in storage: what there is, which version a name means, adding a version, moving an alias.

A version never changes once its `package.json` is there: that file is written last and only if there is none.
Aliases move. Pushing what is there already costs one look.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from dropscore.contracts import layout
from dropscore.contracts.codec import decode, encode_bytes
from dropscore.contracts.errors import ContractError, FailedError, NotFoundError
from dropscore.contracts.failures import Code
from dropscore.contracts.identity import sha256_hex
from dropscore.contracts.layout import BlobPath
from dropscore.contracts.package import ModelAlias, ModelPackage
from dropscore.contracts.request import ModelRef
from dropscore.models.package import MANIFEST, LoadedPackage, read_manifest, read_package

DEFAULT_ALIAS = "stable"
"""The alias meant by a bare name."""
RESERVED = "aliases"
"""The folder of the aliases lies beside those of the versions."""

_NAME = r"[a-z0-9][a-z0-9._-]{0,63}"
_MANIFEST_NAME = re.compile(rf"^(?P<name>{_NAME})/(?P<version>{_NAME})/{re.escape(MANIFEST)}$")
_ALIAS_NAME = re.compile(rf"^(?P<name>{_NAME})/aliases/(?P<alias>{_NAME})\.json$")
_REFERENCE = re.compile(rf"^(?P<name>{_NAME})(@(?P<label>{_NAME}))?$")


class _Bytes(Protocol):
    @property
    def data(self) -> bytes: ...


class _Listed(Protocol):
    @property
    def path(self) -> BlobPath: ...
    @property
    def metadata(self) -> Mapping[str, str]: ...


class Storage(Protocol):
    """The part of `dropscore.cloud.ports.BlobStore` that a registry needs, and so every blob store is one."""

    def put(self, path: BlobPath, data: bytes, *, content_type: str = ...) -> str: ...
    def create(self, path: BlobPath, data: bytes, *, metadata: Mapping[str, str] | None = None) -> bool: ...
    def get(self, path: BlobPath) -> _Bytes: ...
    def head(self, path: BlobPath) -> _Listed | None: ...
    def list(self, prefix: BlobPath) -> Iterator[_Listed]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What is stored under one model name."""

    name: str
    versions: tuple[str, ...]
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Alias to version."""


@dataclass(frozen=True, slots=True)
class StoredFiles:
    """A package in storage (`dropscore.models.package.PackageFiles`)."""

    blobs: Storage
    name: str
    version: str

    def read(self, name: str) -> bytes:
        """All bytes of a file."""
        return self.blobs.get(layout.package_file(self.name, self.version, name)).data


@dataclass(frozen=True, slots=True)
class ModelRegistry:
    """The container `models`. Methods raise what the blob store raises, and `FailedError`."""

    blobs: Storage

    def listings(self) -> tuple[Listing, ...]:
        """Every model with its versions and aliases, by name."""
        versions: dict[str, list[str]] = {}
        aliases: dict[str, dict[str, str]] = {}
        for blob in self.blobs.list(layout.models_prefix()):
            if found := _MANIFEST_NAME.match(blob.path.name):
                versions.setdefault(found["name"], []).append(found["version"])
            elif found := _ALIAS_NAME.match(blob.path.name):
                aliases.setdefault(found["name"], {})[found["alias"]] = self._alias(blob.path)
        return tuple(
            Listing(name=name, versions=tuple(versions[name]), aliases=aliases.get(name, {}))
            for name in sorted(versions)
        )

    def resolve(self, reference: str) -> ModelRef:
        """The package meant by `name`, `name@version` or `name@alias`; a bare name means its alias `stable`.

        An alias wins over a version of the same name, as at admission. Raises `FailedError` (E-MODEL-UNKNOWN).
        """
        name, label = _parse(reference)
        version = self._version(name, label or DEFAULT_ALIAS)
        try:
            manifest, _ = self.describe(name, version)
        except FailedError as error:
            if error.failure.code is not Code.MODEL_UNKNOWN:
                raise
            raise _unknown(name, reference, self._versions(name)) from None
        return ModelRef(name=name, version=version, digest=sha256_hex(manifest))

    def describe(self, name: str, version: str) -> tuple[bytes, ModelPackage]:
        """The manifest of one version: its bytes and what they say. Raises `FailedError`."""
        manifest, package = read_manifest(StoredFiles(self.blobs, name, version))
        _check_place(package, name, version)
        return manifest, package

    def load(self, ref: ModelRef) -> LoadedPackage:
        """Read a package and verify every byte against the reference. Raises `FailedError`."""
        loaded = read_package(StoredFiles(self.blobs, ref.name, ref.version), digest=ref.digest)
        _check_place(loaded.package, ref.name, ref.version)
        return loaded

    def holds(self, name: str, version: str, digest: str) -> bool:
        """Whether this very package is stored. Raises `FailedError` when the version holds another."""
        path = layout.package(name, version)
        blob = self.blobs.head(path)
        if blob is None:
            return False
        found = blob.metadata.get("sha256") or sha256_hex(self.blobs.get(path).data)
        if found != digest:
            raise FailedError.of(
                Code.MODEL_INVALID,
                f"version {version!r} of model {name!r} is stored with other content; a version never changes",
                field="model",
                action="Give the new package another version.",
            )
        return True

    def push(self, package: LoadedPackage, *, aliases: tuple[str, ...] = ()) -> ModelRef:
        """Store a package: files first, the manifest last. Storing the same again changes nothing.

        `aliases` are set where there are none yet, before the manifest, so that a stored package has them.
        """
        name, version = package.package.name, package.package.version
        if version == RESERVED:
            raise FailedError.of(Code.MODEL_INVALID, f"{RESERVED!r} cannot be a version", field="version")
        if not self.holds(name, version, package.digest):
            for file, data in package.files.items():
                self.blobs.put(layout.package_file(name, version, file), data)
            for alias in aliases:
                self.blobs.create(layout.model_alias(name, alias), encode_bytes(ModelAlias(version=version)))
            path, mark = layout.package(name, version), {"sha256": package.digest}
            if not self.blobs.create(path, package.manifest, metadata=mark):
                self.holds(name, version, package.digest)
        return ModelRef(name=name, version=version, digest=package.digest)

    def set_alias(self, name: str, alias: str, version: str) -> None:
        """Let an alias stand for a version from now on. Raises `FailedError` when there is no such version."""
        if not self._has(name, version):
            raise _unknown(name, f"{name}@{version}", self._versions(name))
        data = encode_bytes(ModelAlias(version=version))
        self.blobs.put(layout.model_alias(name, alias), data, content_type="application/json")

    def _has(self, name: str, version: str) -> bool:
        return self.blobs.head(layout.package(name, version)) is not None

    def _version(self, name: str, label: str) -> str:
        """The version an alias stands for; what is no alias is a version."""
        try:
            return self._alias(layout.model_alias(name, label))
        except NotFoundError:
            return label

    def _alias(self, path: BlobPath) -> str:
        try:
            return decode(ModelAlias, self.blobs.get(path).data).version
        except ContractError as error:
            raise FailedError.of(Code.MODEL_INVALID, f"the model alias {path.name}: {error}", field="model") from None

    def _versions(self, name: str) -> tuple[str, ...]:
        listed = (_MANIFEST_NAME.match(blob.path.name) for blob in self.blobs.list(layout.model_prefix(name)))
        return tuple(found["version"] for found in listed if found)


def _parse(reference: str) -> tuple[str, str | None]:
    found = _REFERENCE.match(reference)
    if not found:
        raise FailedError.of(
            Code.MODEL_UNKNOWN,
            f"model {reference!r} is not of the form name, name@version or name@alias (a-z, 0-9 and . _ - only)",
            field="model",
        )
    return found["name"], found["label"]


def _check_place(package: ModelPackage, name: str, version: str) -> None:
    if (package.name, package.version) != (name, version):
        raise FailedError.of(
            Code.MODEL_INVALID,
            f"the package stored as {name}@{version} says that it is {package.name}@{package.version}",
            field="model",
        )


def _unknown(name: str, reference: str, versions: tuple[str, ...]) -> FailedError:
    known = f"versions of {name}: {', '.join(versions)}" if versions else f"there is no model {name!r}"
    return FailedError.of(Code.MODEL_UNKNOWN, f"model {reference!r} is unknown; {known}", field="model")
