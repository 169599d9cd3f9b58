"""The models through the API."""

import pytest
from api_client import ApiClient

from dropscore.api.insight.models import FRESH_S
from dropscore.cloud.clock import ManualClock
from dropscore.cloud.memory import MemoryCloud
from dropscore.contracts import layout
from dropscore.contracts.codec import decode, encode_bytes
from dropscore.contracts.http.models import ModelDocument, ModelList
from dropscore.contracts.identity import sha256_hex
from dropscore.contracts.package import ModelAlias, ModelPackage, PackageFile


def push(memory: MemoryCloud, name: str, version: str) -> bytes:
    package = ModelPackage(
        name=name,
        version=version,
        workload="style_transfer",
        title="Mosaic",
        architecture="transformer",
        files=(
            PackageFile(name="weights.safetensors", sha256="0" * 64, size_bytes=1000),
            PackageFile(name="card.md", sha256="1" * 64, size_bytes=24),
        ),
        licence="MIT",
        metrics={"loss": 0.5},
        recipe={"seed": 7},
    )
    manifest = encode_bytes(package)
    memory.blobs.put(layout.package_file(name, version, "weights.safetensors"), b"w")
    memory.blobs.put(layout.package(name, version), manifest)
    return manifest


def alias(memory: MemoryCloud, name: str, label: str, version: str) -> None:
    memory.blobs.put(layout.model_alias(name, label), encode_bytes(ModelAlias(version=version)))


@pytest.fixture
def stocked(memory: MemoryCloud) -> MemoryCloud:
    """Two models, one of them with two versions and an alias."""
    push(memory, "mosaic", "1")
    push(memory, "mosaic", "2")
    push(memory, "candy", "1")
    alias(memory, "mosaic", "stable", "2")
    return memory


def test_models_are_listed_with_versions_and_aliases(stocked: MemoryCloud, api: ApiClient) -> None:
    models = decode(ModelList, api.get("/api/v1/models").content).models
    assert [(model.name, [one.version for one in model.versions], model.aliases) for model in models] == [
        ("candy", ["1"], {}),
        ("mosaic", ["1", "2"], {"stable": "2"}),
    ]


def test_a_version_tells_what_it_is(stocked: MemoryCloud, api: ApiClient) -> None:
    manifest = push(stocked, "mosaic", "3")
    (*_, version) = decode(ModelDocument, api.get("/api/v1/models/mosaic").content).versions
    assert (version.version, version.digest, version.size_bytes) == ("3", sha256_hex(manifest), 1024)
    assert (version.licence, version.metrics, version.training) == ("MIT", {"loss": 0.5}, {"seed": 7})


def test_an_unknown_model_is_named_with_the_nearest(stocked: MemoryCloud, api: ApiClient) -> None:
    answer = api.get("/api/v1/models/mosaik")
    assert (answer.status_code, answer.json()["code"]) == (404, "E-MODEL-UNKNOWN")
    assert "Did you mean 'mosaic'?" in answer.json()["action"]


def test_a_package_that_cannot_be_read_hides_no_other(stocked: MemoryCloud, api: ApiClient) -> None:
    stocked.blobs.put(layout.package("candy", "2"), b"{")
    stocked.blobs.put(layout.model_alias("candy", "stable"), b"[]")
    assert [one.version for one in decode(ModelDocument, api.get("/api/v1/models/candy").content).versions] == ["1"]


def test_a_manifest_is_read_once_and_the_list_every_few_seconds(
    stocked: MemoryCloud, clock: ManualClock, api: ApiClient
) -> None:
    for _ in range(5):
        api.get("/api/v1/models")
    assert stocked.blobs.operations.counts()["blob.list"] == 1
    alias(stocked, "mosaic", "stable", "1")
    clock.advance(FRESH_S)
    assert decode(ModelDocument, api.get("/api/v1/models/mosaic").content).aliases == {"stable": "1"}
    manifests = [path for path in stocked.blobs.operations.targets("blob.get") if path.endswith("package.json")]
    assert len(manifests) == 3
