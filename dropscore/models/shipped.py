"""The packages that come with this code, below `shipped/<name>/<version>/`, and how they get into storage."""

from collections.abc import Iterator
from pathlib import Path

from dropscore.contracts.identity import sha256_hex
from dropscore.contracts.request import ModelRef
from dropscore.models.package import MANIFEST, FolderFiles, LoadedPackage, read_manifest, read_package
from dropscore.models.registry import DEFAULT_ALIAS, ModelRegistry

SHIPPED = Path(__file__).parent / "shipped"


def shipped_packages(folder: Path = SHIPPED) -> Iterator[FolderFiles]:
    """The folders that hold a package, by name and version."""
    for manifest in sorted(folder.glob(f"*/*/{MANIFEST}")):
        yield FolderFiles(manifest.parent)


def shipped(name: str, version: str, folder: Path = SHIPPED) -> LoadedPackage:
    """One shipped package, verified. Raises `FailedError` (E-MODEL-UNKNOWN) when there is none."""
    return read_package(FolderFiles(folder / name / version))


def push_shipped(registry: ModelRegistry, folder: Path = SHIPPED) -> tuple[ModelRef, ...]:
    """Store every shipped package that is not there yet, one look for each that is.

    The alias `stable` is set with a new package where the model has none: one that a user moved stays.
    """
    return tuple(_push(registry, files) for files in shipped_packages(folder))


def _push(registry: ModelRegistry, files: FolderFiles) -> ModelRef:
    manifest, package = read_manifest(files)
    digest = sha256_hex(manifest)
    if not registry.holds(package.name, package.version, digest):
        return registry.push(read_package(files), aliases=(DEFAULT_ALIAS,))
    return ModelRef(name=package.name, version=package.version, digest=digest)
