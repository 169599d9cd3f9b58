"""A package is exactly what its manifest says, or it is refused."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from dropscore.contracts.errors import FailedError, NotFoundError
from dropscore.contracts.failures import Code
from dropscore.contracts.identity import sha256_hex
from dropscore.contracts.package import ModelPackage
from dropscore.models.architectures import WEIGHTS
from dropscore.models.package import FolderFiles, LoadedPackage, bundle, read_package, save


@dataclass(frozen=True)
class Files:
    """Package files in memory."""

    held: Mapping[str, bytes]

    def read(self, name: str) -> bytes:
        if name not in self.held:
            raise NotFoundError(name)
        return self.held[name]


def files_of(package: LoadedPackage, **changes: bytes) -> Files:
    held = {"package.json": package.manifest, **package.files}
    return Files({**held, **{name.replace("_", "."): data for name, data in changes.items()}})


def refusal(files: Files, **arguments: str) -> FailedError:
    with pytest.raises(FailedError) as caught:
        read_package(files, **arguments)
    return caught.value


def test_a_saved_package_reads_back_the_same(tiny: LoadedPackage, tmp_path: Path) -> None:
    save(tiny, tmp_path / "p")
    read = read_package(FolderFiles(tmp_path / "p"), digest=tiny.digest)
    assert read == tiny
    assert read.digest == sha256_hex((tmp_path / "p" / "package.json").read_bytes())


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.999])
def test_one_flipped_bit_anywhere_in_the_weights_is_refused(tiny: LoadedPackage, share: float) -> None:
    data = bytearray(tiny.files[WEIGHTS])
    place = int(share * (len(data) - 1))
    data[place] ^= 1
    error = refusal(files_of(tiny, weights_safetensors=bytes(data)))
    assert error.failure.code is Code.MODEL_INVALID
    assert WEIGHTS in error.failure.message


def test_every_byte_of_the_manifest_counts(tiny: LoadedPackage) -> None:
    for place in range(len(tiny.manifest)):
        changed = bytearray(tiny.manifest)
        changed[place] ^= 1
        error = refusal(files_of(tiny, package_json=bytes(changed)), digest=tiny.digest)
        assert error.failure.code is Code.MODEL_INVALID


def test_a_truncated_file_is_refused_with_both_sizes(tiny: LoadedPackage) -> None:
    cut = tiny.files[WEIGHTS][:-1]
    message = refusal(files_of(tiny, weights_safetensors=cut)).failure.message
    assert str(len(cut)) in message
    assert str(len(cut) + 1) in message


def test_a_missing_file_is_named(tiny: LoadedPackage) -> None:
    assert repr(WEIGHTS) in refusal(Files({"package.json": tiny.manifest})).failure.message


def test_a_package_without_a_manifest_is_unknown() -> None:
    assert refusal(Files({})).failure.code is Code.MODEL_UNKNOWN


@pytest.mark.parametrize("manifest", [b"", b"{}", b"[1]", b'{"name": 1, "name": 2}', b"\xff\xfe"])
def test_a_manifest_that_is_no_description_is_refused(manifest: bytes) -> None:
    assert refusal(Files({"package.json": manifest})).failure.code is Code.MODEL_INVALID


@pytest.mark.fault(62)
@pytest.mark.parametrize(
    "name",
    ["model.pt", "model.pth", "model.pt2", "model.pkl", "model.bin", "model.ckpt", "script.py", "model.zip", "a"],
)
def test_files_that_may_run_code_are_refused_by_name_before_they_are_read(
    describe: Callable[..., ModelPackage], name: str
) -> None:
    unsafe = bundle(describe(), {name: b"anything"})
    error = refusal(Files({"package.json": unsafe.manifest}))
    assert error.failure.code is Code.MODEL_UNSAFE
    assert repr(name) in error.failure.message
    assert "dropscore models import" in error.failure.action


@pytest.mark.fault(62)
@pytest.mark.parametrize("beginning", [b"PK\x03\x04", b"\x80\x02", b"\x80\x04", b"\x80\x05", b"\x7fELF", b"\x1f\x8b"])
def test_files_that_may_run_code_are_refused_by_content_whatever_their_name(
    describe: Callable[..., ModelPackage], beginning: bytes
) -> None:
    disguised = bundle(describe(), {WEIGHTS: beginning + bytes(100)})
    assert refusal(files_of(disguised)).failure.code is Code.MODEL_UNSAFE


def test_a_manifest_that_lists_a_file_twice_is_refused(tiny: LoadedPackage) -> None:
    twice = tiny.package.model_copy(update={"files": tiny.package.files * 2})
    assert refusal(Files({"package.json": twice.model_dump_json().encode()})).failure.code is Code.MODEL_INVALID


@pytest.mark.fault(63)
def test_another_package_than_the_one_asked_for_is_refused(tiny: LoadedPackage) -> None:
    error = refusal(files_of(tiny), digest="0" * 64)
    assert error.failure.code is Code.MODEL_INVALID
    assert tiny.digest in error.failure.message
