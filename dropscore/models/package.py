"""Reading a model package and refusing everything about it that is not exactly what it claims to be.

A package is `package.json` (`ModelPackage`) and the files it lists. Weights are safetensors, which hold numbers and
nothing else. Formats that can run code when they are loaded (pickles, zip archives of them, TorchScript) are
refused by name before a byte is read, and by their first bytes whatever they are called.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dropscore.contracts.codec import decode, encode_bytes
from dropscore.contracts.errors import ContractError, FailedError, NotFoundError
from dropscore.contracts.failures import Code
from dropscore.contracts.identity import sha256_hex
from dropscore.contracts.package import ModelPackage, PackageFile

MANIFEST = "package.json"

WEIGHTS_SUFFIX = ".safetensors"
DATA_SUFFIXES = (WEIGHTS_SUFFIX, ".json", ".md", ".txt", ".png", ".jpg")
"""Endings of files a package may hold."""

CODE_BEGINNINGS: Mapping[bytes, str] = {
    b"PK\x03\x04": "a zip archive (the format of torch.save, TorchScript and .pt2)",
    b"\x80\x02": "a pickle",
    b"\x80\x03": "a pickle",
    b"\x80\x04": "a pickle",
    b"\x80\x05": "a pickle",
    b"\x7fELF": "a program",
    b"\x1f\x8b": "a compressed archive",
}
"""First bytes of formats that can carry code. No safetensors file begins so: its first eight bytes are the length of
a header of less than 100 MB."""

FIX = "Convert the weights with `dropscore models import`, which writes safetensors."


class PackageFiles(Protocol):
    """Where the files of one package are read from."""

    def read(self, name: str) -> bytes:
        """All bytes of a file. Raises `NotFoundError` when there is none."""


@dataclass(frozen=True, slots=True)
class FolderFiles:
    """A package in a folder."""

    folder: Path

    def read(self, name: str) -> bytes:
        """All bytes of a file of the folder itself."""
        try:
            return (self.folder / name).read_bytes()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise NotFoundError(f"{self.folder.name} has no file {name!r}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedPackage:
    """A package whose every byte has been checked. `files` holds all but the manifest."""

    package: ModelPackage
    manifest: bytes
    files: Mapping[str, bytes]

    @property
    def digest(self) -> str:
        """SHA-256 of `package.json`, which holds the digests of all other files."""
        return sha256_hex(self.manifest)


def read_package(files: PackageFiles, *, digest: str | None = None) -> LoadedPackage:
    """Read and verify a package; with `digest`, also that it is this very package.

    Raises `FailedError`: E-MODEL-UNKNOWN without a manifest, E-MODEL-UNSAFE for a file that could run code,
    E-MODEL-INVALID for one that is missing or not what the manifest says.
    """
    manifest, package = read_manifest(files, digest=digest)
    for file in package.files:
        _check_name(file.name)
    return LoadedPackage(
        package=package, manifest=manifest, files={file.name: _read_file(files, file) for file in package.files}
    )


def read_manifest(files: PackageFiles, *, digest: str | None = None) -> tuple[bytes, ModelPackage]:
    """Read `package.json` alone: its bytes and what they say."""
    try:
        manifest = files.read(MANIFEST)
    except NotFoundError:
        raise FailedError.of(Code.MODEL_UNKNOWN, f"the model package has no {MANIFEST}", field="model") from None
    if digest is not None and sha256_hex(manifest) != digest:
        raise _invalid(f"{MANIFEST} has the digest {sha256_hex(manifest)}, expected {digest}")
    try:
        package = decode(ModelPackage, manifest)
    except ContractError as error:
        raise _invalid(str(error)) from None
    names = [file.name for file in package.files]
    if len(set(names)) != len(names) or MANIFEST in names:
        raise _invalid(f"{MANIFEST} lists a file twice, or itself: {', '.join(names)}")
    return manifest, package


def bundle(package: ModelPackage, files: Mapping[str, bytes]) -> LoadedPackage:
    """Make a package of its description and its files; the list of files in `package` is filled in."""
    listed = tuple(
        PackageFile(name=name, sha256=sha256_hex(data), size_bytes=len(data)) for name, data in sorted(files.items())
    )
    complete = package.model_copy(update={"files": listed})
    return LoadedPackage(package=complete, manifest=encode_bytes(complete, indent=2) + b"\n", files=dict(files))


def save(package: LoadedPackage, folder: Path) -> None:
    """Write a package into a folder, the manifest last."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in package.files.items():
        (folder / name).write_bytes(data)
    (folder / MANIFEST).write_bytes(package.manifest)


def _check_name(name: str) -> None:
    if not name.endswith(DATA_SUFFIXES):
        raise _unsafe(name, f"is of a kind that may run code when it is loaded; allowed are {', '.join(DATA_SUFFIXES)}")


def _read_file(files: PackageFiles, file: PackageFile) -> bytes:
    try:
        data = files.read(file.name)
    except NotFoundError:
        raise _invalid(f"the file {file.name!r} is missing") from None
    for beginning, kind in CODE_BEGINNINGS.items():
        if data.startswith(beginning):
            raise _unsafe(file.name, f"is {kind}, which may run code when it is loaded")
    if len(data) != file.size_bytes:
        raise _invalid(f"the file {file.name!r} has {len(data)} bytes, expected {file.size_bytes}")
    found = sha256_hex(data)
    if found != file.sha256:
        raise _invalid(f"the file {file.name!r} has the digest {found}, expected {file.sha256}")
    return data


def _invalid(message: str) -> FailedError:
    return FailedError.of(Code.MODEL_INVALID, f"model package: {message}", field="model")


def _unsafe(name: str, why: str) -> FailedError:
    return FailedError.of(Code.MODEL_UNSAFE, f"model package: the file {name!r} {why}", field="model", action=FIX)
