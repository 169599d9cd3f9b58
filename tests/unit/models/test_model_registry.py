"""Packages in storage: pushed once, never changed, found by name, version and alias."""

from collections.abc import Callable

import pytest

from dropscore.cloud.memory import memory_cloud
from dropscore.cloud.memory_blobs import MemoryBlobs
from dropscore.contracts import layout
from dropscore.contracts.codec import parse
from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code
from dropscore.contracts.package import ModelPackage
from dropscore.models.architectures import WEIGHTS
from dropscore.models.package import LoadedPackage, bundle
from dropscore.models.registry import ModelRegistry
from dropscore.models.shipped import push_shipped, shipped_packages


@pytest.fixture
def blobs() -> MemoryBlobs:
    return memory_cloud().blobs


@pytest.fixture
def registry(blobs: MemoryBlobs) -> ModelRegistry:
    return ModelRegistry(blobs)


def asked(blobs: MemoryBlobs, work: Callable[[], object]) -> dict[str, int]:
    """The storage operations that a piece of work makes, by kind."""
    blobs.operations.clear()
    work()
    return blobs.operations.counts()


def code_of(work: Callable[[], object]) -> Code:
    with pytest.raises(FailedError) as caught:
        work()
    return caught.value.failure.code


def test_a_pushed_package_loads_by_its_reference(registry: ModelRegistry, tiny: LoadedPackage) -> None:
    ref = registry.push(tiny)
    assert registry.load(ref) == tiny
    assert registry.resolve("tiny@1") == ref


def test_the_manifest_is_written_last(blobs: MemoryBlobs, registry: ModelRegistry, tiny: LoadedPackage) -> None:
    registry.push(tiny, aliases=("stable",))
    written = blobs.operations.targets("blob.put")
    assert written == [f"models/tiny/1/{WEIGHTS}", "models/tiny/aliases/stable.json", "models/tiny/1/package.json"]


def test_pushing_the_same_again_is_one_look(blobs: MemoryBlobs, registry: ModelRegistry, tiny: LoadedPackage) -> None:
    registry.push(tiny)
    assert asked(blobs, lambda: registry.push(tiny)) == {"blob.head": 1}


def test_a_version_never_changes(
    registry: ModelRegistry, tiny: LoadedPackage, describe: Callable[..., ModelPackage]
) -> None:
    ref = registry.push(tiny)
    other = bundle(describe(title="Other"), tiny.files)
    assert code_of(lambda: registry.push(other)) is Code.MODEL_INVALID
    assert registry.load(ref) == tiny


def test_a_push_that_was_interrupted_is_completed(
    blobs: MemoryBlobs, registry: ModelRegistry, tiny: LoadedPackage
) -> None:
    blobs.put(layout.package_file("tiny", "1", WEIGHTS), b"half of")
    assert registry.load(registry.push(tiny)) == tiny


def test_an_alias_stands_for_one_version_and_moves(
    registry: ModelRegistry, tiny: LoadedPackage, describe: Callable[..., ModelPackage]
) -> None:
    first = registry.push(tiny, aliases=("stable",))
    second = registry.push(bundle(describe(version="2"), tiny.files), aliases=("stable",))
    assert registry.resolve("tiny") == registry.resolve("tiny@stable") == first
    registry.set_alias("tiny", "stable", "2")
    assert registry.resolve("tiny") == second


def test_an_alias_is_plain_json(blobs: MemoryBlobs, registry: ModelRegistry, tiny: LoadedPackage) -> None:
    registry.push(tiny, aliases=("stable",))
    stored = parse(blobs.get(layout.model_alias("tiny", "stable")).data)
    assert isinstance(stored, dict)
    assert stored["version"] == "1"


@pytest.mark.parametrize("reference", ["tiny@9", "tiny@latest", "nothing", "Tiny", "tiny@", "../tiny", "tiny@1@2"])
def test_what_is_not_there_is_unknown(registry: ModelRegistry, tiny: LoadedPackage, reference: str) -> None:
    registry.push(tiny)
    assert code_of(lambda: registry.resolve(reference)) is Code.MODEL_UNKNOWN


def test_an_unknown_version_is_answered_with_the_known_ones(registry: ModelRegistry, tiny: LoadedPackage) -> None:
    registry.push(tiny)
    with pytest.raises(FailedError, match="versions of tiny: 1"):
        registry.resolve("tiny@9")
    with pytest.raises(FailedError, match="versions of tiny: 1"):
        registry.set_alias("tiny", "stable", "9")


@pytest.mark.fault(63)
def test_a_stored_package_under_another_name_is_refused(
    blobs: MemoryBlobs, registry: ModelRegistry, tiny: LoadedPackage
) -> None:
    blobs.put(layout.package("other", "1"), tiny.manifest)
    assert code_of(lambda: registry.resolve("other@1")) is Code.MODEL_INVALID


@pytest.mark.fault(63)
def test_a_stored_file_that_was_swapped_is_refused(
    blobs: MemoryBlobs, registry: ModelRegistry, tiny: LoadedPackage
) -> None:
    ref = registry.push(tiny)
    blobs.put(layout.package_file("tiny", "1", WEIGHTS), tiny.files[WEIGHTS][::-1])
    assert code_of(lambda: registry.load(ref)) is Code.MODEL_INVALID


@pytest.mark.fault(63)
def test_a_package_that_was_swapped_whole_is_another_than_the_one_admitted(
    blobs: MemoryBlobs, registry: ModelRegistry, tiny: LoadedPackage, describe: Callable[..., ModelPackage]
) -> None:
    admitted = registry.push(tiny)
    other = bundle(describe(title="Another"), tiny.files)
    blobs.put(layout.package("tiny", "1"), other.manifest)
    assert registry.resolve("tiny@1").digest == other.digest, "by itself it is a good package"
    assert code_of(lambda: registry.load(admitted)) is Code.MODEL_INVALID


def test_listings_show_versions_and_aliases_and_nothing_else(
    blobs: MemoryBlobs, registry: ModelRegistry, tiny: LoadedPackage, describe: Callable[..., ModelPackage]
) -> None:
    registry.push(bundle(describe(version="2"), tiny.files), aliases=("stable",))
    registry.push(tiny)
    blobs.put(layout.execution_profile("tiny", "1", "cpu"), b"{}")
    blobs.put(layout.package_file("unfinished", "1", WEIGHTS), b"")
    (listing,) = registry.listings()
    assert (listing.name, listing.versions, listing.aliases) == ("tiny", ("1", "2"), {"stable": "2"})


def test_the_folder_of_the_aliases_is_no_version(
    registry: ModelRegistry, tiny: LoadedPackage, describe: Callable[..., ModelPackage]
) -> None:
    clash = bundle(describe(version="aliases"), tiny.files)
    assert code_of(lambda: registry.push(clash)) is Code.MODEL_INVALID


def test_shipped_packages_are_pushed_whole_and_named_stable(blobs: MemoryBlobs, registry: ModelRegistry) -> None:
    refs = push_shipped(registry)
    assert {ref.name for ref in refs} == {"mosaic-night", "vgg19"}
    for ref in refs:
        assert registry.load(ref).digest == ref.digest
        assert registry.resolve(ref.name) == ref


def test_pushing_shipped_packages_again_is_one_look_each(blobs: MemoryBlobs, registry: ModelRegistry) -> None:
    push_shipped(registry)
    assert asked(blobs, lambda: push_shipped(registry)) == {"blob.head": len(list(shipped_packages()))}


def test_an_alias_that_a_user_moved_stays(registry: ModelRegistry, tiny: LoadedPackage) -> None:
    own = bundle(tiny.package.model_copy(update={"name": "vgg19", "version": "own"}), tiny.files)
    mine = registry.push(own, aliases=("stable",))
    push_shipped(registry)
    assert registry.resolve("vgg19") == mine
