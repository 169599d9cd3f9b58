"""Which device is taken, what it is called, and what is refused."""

import os
from types import SimpleNamespace

import pytest
import torch

from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code
from gpu_worker import device
from gpu_worker.device import find_device, runs_on, usable_cores


def test_a_cpu_has_a_lane_for_each_core_and_one_torch_thread():
    found = find_device("cpu")
    assert found.is_cpu
    assert found.lanes == usable_cores() <= (os.cpu_count() or 1)
    assert torch.get_num_threads() == 1
    assert found.memory_bytes > 0


def test_the_number_of_lanes_can_be_set_and_shows_in_the_title():
    found = find_device("cpu", 7)
    assert found.lanes == 7
    assert "7 lanes" in found.title


def test_the_kind_names_model_and_torch_and_fits_a_blob_name_and_not_the_lanes():
    kind = find_device("cpu", 1).kind
    assert kind == find_device("cpu", 2).kind
    assert f"torch-{torch.__version__.split('+')[0]}" in kind
    assert set(kind) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_refused_with_what_was_asked():
    with pytest.raises(FailedError) as caught:
        find_device("cuda:0")
    assert caught.value.failure.code is Code.WORKERS_UNAVAILABLE
    assert "cuda:0" in caught.value.failure.message


DRIVER = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  470.57.02  Tue Jul 13 16:14:05 UTC 2021"


@pytest.mark.fault(36)
@pytest.mark.parametrize("wanted", ["auto", "cuda"])
def test_a_driver_that_is_too_old_is_refused_with_both_versions(monkeypatch, wanted):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(device, "_first_line", lambda path: DRIVER if "nvidia" in path else "")
    with pytest.raises(FailedError) as caught:
        find_device(wanted)
    assert caught.value.failure.code is Code.WORKERS_UNAVAILABLE
    assert "CUDA 13.0" in caught.value.failure.message
    assert "470.57.02" in caught.value.failure.message


@pytest.mark.fault(36)
def test_a_gpu_that_this_torch_has_no_code_for_is_refused_with_what_both_are(monkeypatch):
    old = SimpleNamespace(name="Tesla V100", major=7, minor=0)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda found: old)
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_75", "sm_80"])
    with pytest.raises(FailedError, match=r"Tesla V100 has compute capability 7.0, but torch .* for sm_75, sm_80 only"):
        find_device("cuda")


def test_without_a_driver_the_processor_is_taken(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(device, "_first_line", lambda path: "")
    assert find_device("auto", 1).is_cpu


@pytest.mark.parametrize(
    ("capability", "built_for", "expected"),
    [
        pytest.param((7, 5), ["sm_75", "sm_80"], True, id="T4 on the published build"),
        pytest.param((7, 0), ["sm_75", "sm_80"], False, id="V100 is too old"),
        pytest.param((8, 6), ["sm_80"], True, id="binary code of the same major version"),
        pytest.param((9, 0), ["sm_80"], False, id="binary code of another major version"),
        pytest.param((9, 0), ["compute_75"], True, id="intermediate code runs on everything newer"),
        pytest.param((8, 0), ["sm_86"], False, id="a newer minor version is needed"),
        pytest.param((9, 0), ["sm_90a"], True, id="architecture with extras"),
        pytest.param((12, 0), ["sm_100", "sm_120"], True, id="two-digit major versions"),
        pytest.param((8, 0), [], False, id="no code at all"),
    ],
)
def test_code_runs_where_it_was_built_for(capability, built_for, expected):
    assert runs_on(capability, built_for) is expected
