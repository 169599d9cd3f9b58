"""Which exception means what: one table."""

import pytest
import torch

from dropscore.contracts.errors import (
    AccessDeniedError,
    ContainerGoneError,
    ContractError,
    FailedError,
    PermanentCloudError,
    StorageFullError,
    TransientCloudError,
)
from dropscore.contracts.failures import Code, FailureClass
from gpu_worker.causes import MAX_DETAIL, cause_of, class_of


@pytest.mark.parametrize(
    ("error", "code", "failure_class"),
    [
        (FailedError.of(Code.INPUT_CORRUPT, item=3), Code.INPUT_CORRUPT, FailureClass.BAD_INPUT),
        (TransientCloudError("busy"), Code.STORAGE_UNAVAILABLE, FailureClass.TRANSIENT),
        (PermanentCloudError("no"), Code.INTERNAL, FailureClass.BUG),
        (AccessDeniedError("no right to it"), Code.STORAGE_REFUSED, FailureClass.TRANSIENT),
        (StorageFullError("no room"), Code.STORAGE_REFUSED, FailureClass.TRANSIENT),
        (ContainerGoneError("no container"), Code.STORAGE_GONE, FailureClass.TRANSIENT),
        (torch.OutOfMemoryError("CUDA out of memory"), Code.OUT_OF_MEMORY, FailureClass.OUT_OF_MEMORY),
        (MemoryError(), Code.OUT_OF_MEMORY, FailureClass.OUT_OF_MEMORY),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
            Code.OUT_OF_MEMORY,
            FailureClass.OUT_OF_MEMORY,
        ),
        (torch.AcceleratorError("device-side assert"), Code.DEVICE_LOST, FailureClass.DEVICE_LOST),
        (RuntimeError("CUDA error: unspecified launch failure"), Code.DEVICE_LOST, FailureClass.DEVICE_LOST),
        (RuntimeError("CUDA error: out of memory"), Code.OUT_OF_MEMORY, FailureClass.OUT_OF_MEMORY),
        (RuntimeError("shapes do not fit"), Code.INTERNAL, FailureClass.BUG),
        (ContractError("AdmittedRun", (("$.x", "missing"),)), Code.INTERNAL, FailureClass.BUG),
        (ZeroDivisionError("division by zero"), Code.INTERNAL, FailureClass.BUG),
    ],
)
def test_each_exception_has_one_meaning(error, code, failure_class):
    cause = cause_of(error)
    assert (cause.code, cause.failure_class) == (code, failure_class)
    assert class_of(error) is failure_class


def test_a_bug_keeps_the_end_of_its_traceback():
    def deep(depth: int) -> None:
        if depth == 0:
            raise KeyError("the cause" + "." * 20_000)
        deep(depth - 1)

    with pytest.raises(KeyError) as caught:
        deep(5)
    detail = cause_of(caught.value).detail
    assert detail is not None
    assert len(detail) == MAX_DETAIL


def test_a_bug_names_its_type_and_words():
    assert cause_of(KeyError("width")).message == "KeyError: 'width'"
