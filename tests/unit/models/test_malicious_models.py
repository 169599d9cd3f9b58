"""Model files that mean harm, twenty kinds of them: refused, and none of what they carry is ever run."""

import io
import json
import marshal
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import torch
from test_model_package import Files

from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code
from dropscore.contracts.package import ModelPackage
from dropscore.models.architectures import WEIGHTS, build
from dropscore.models.importing import ImportRequest, import_model
from dropscore.models.package import LoadedPackage, bundle, read_package

pytestmark = pytest.mark.fault(62)

CANARY = "canary"
COMMAND = f"touch {CANARY}"
REFUSED = (Code.MODEL_UNSAFE, Code.MODEL_INVALID)


class Runs:
    """Runs a command when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        import os

        return os.system, (COMMAND,)


class Evaluates:
    """Evaluates Python when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return eval, (f"open({CANARY!r}, 'w').close()",)


def pickled(what: object, protocol: int) -> bytes:
    return pickle.dumps(what, protocol)


def by_hand() -> bytes:
    """A pickle of the oldest protocol, which has no mark at its beginning."""
    return f"cos\nsystem\n(S'{COMMAND}'\ntR.".encode()


def checkpoint(what: object, *, as_zip: bool) -> bytes:
    out = io.BytesIO()
    torch.save(what, out, _use_new_zipfile_serialization=as_zip)
    return out.getvalue()


def zipped(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def zip_slip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(f"../../{CANARY}", b"")
    return out.getvalue()


def tar_slip() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo(f"../{CANARY}"))
    return out.getvalue()


def torchscript() -> bytes:
    """As TorchScript lays its archives out: pickles and source code."""
    code = f"import os\nos.system({COMMAND!r})\n".encode()
    return zipped({"net/data.pkl": pickled(Runs(), 2), "net/constants.pkl": by_hand(), "net/code/__torch__.py": code})


def hollow_safetensors(header: object) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text


TENSOR = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
PYTHON = f"open({CANARY!r}, 'w')".encode()
FILES: dict[str, Callable[[], bytes]] = {
    "pickle-0.safetensors": by_hand,
    "pickle-1.safetensors": lambda: pickled({"w": Runs()}, 1),
    "pickle-2.safetensors": lambda: pickled(Runs(), 2),
    "pickle-3.safetensors": lambda: pickled([Evaluates()], 3),
    "pickle-5.safetensors": lambda: pickled(Evaluates(), 5),
    "checkpoint.safetensors": lambda: checkpoint({"conv1.conv2d.weight": Runs()}, as_zip=True),
    "old-checkpoint.safetensors": lambda: checkpoint({"conv1.conv2d.weight": Runs()}, as_zip=False),
    "network.safetensors": lambda: checkpoint(torch.nn.Linear(1, 1), as_zip=True),
    "exported.safetensors": lambda: zipped({"archive_format": b"pt2", "data/weights/0": pickled(Runs(), 2)}),
    "script.safetensors": torchscript,
    "bundle.safetensors": lambda: zipped({"configs/inference.json": b'{"x": "$import os; os.system()"}'}),
    "slip.safetensors": zip_slip,
    "slip-tar.safetensors": tar_slip,
    "onnx-outside.safetensors": lambda: b"\x08\x07\x12\x04evil:\x20\x0a\x08location\x12\x0b/etc/passwd",
    "program.safetensors": lambda: b"\x7fELF" + bytes(60),
    "script-sh.safetensors": f"#!/bin/sh\n{COMMAND}\n".encode,
    "code.safetensors": lambda: marshal.dumps(compile(PYTHON, "x", "exec")),
    "keras-lambda.safetensors": lambda: b"\x89HDF\r\n\x1a\n" + PYTHON,
    "numpy-object.safetensors": lambda: b"\x93NUMPY\x01\x00" + pickled(Runs(), 2),
    "endless-header.safetensors": lambda: struct.pack("<Q", 2**62) + b"{}",
    "outside-tensor.safetensors": lambda: hollow_safetensors({"w": TENSOR | {"data_offsets": [0, 2**40]}}),
    "two-of-one-name.safetensors": lambda: struct.pack("<Q", 18) + b'{"w": 1, "w": 1}  ',
}


@pytest.fixture(autouse=True)
def no_canary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever is run leaves a canary, and it must not be there in the end."""
    (tmp_path / "deep" / "er").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "deep" / "er")
    yield
    assert list(tmp_path.rglob(CANARY)) == []


def test_the_canary_sings_when_it_is_let(tmp_path: Path) -> None:
    pickle.loads(by_hand())
    assert (Path.cwd() / CANARY).exists()
    (Path.cwd() / CANARY).unlink()


def test_twenty_kinds_are_known() -> None:
    assert len(FILES) >= 20


@pytest.mark.parametrize("name", FILES)
def test_a_package_with_such_weights_is_refused(describe: Callable[..., ModelPackage], name: str) -> None:
    def use() -> None:
        made = bundle(describe(), {WEIGHTS: FILES[name]()})
        loaded: LoadedPackage = read_package(Files({"package.json": made.manifest, **made.files}))
        build(loaded.package, loaded.files)

    with pytest.raises(FailedError) as caught:
        use()
    assert caught.value.failure.code in REFUSED
    assert caught.value.failure.action


@pytest.mark.parametrize("suffix", [".pth", ".safetensors", ".pt2", ".onnx"])
@pytest.mark.parametrize("name", FILES)
def test_such_a_file_is_not_imported(name: str, suffix: str) -> None:
    file = Path("model").with_suffix(suffix)
    file.write_bytes(FILES[name]())
    with pytest.raises(FailedError) as caught:
        import_model(ImportRequest(file=file, name="evil", architecture="transformer_net"))
    assert caught.value.failure.code in REFUSED
