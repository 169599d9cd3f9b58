"""The seam where whatever ended a shard becomes a failure with a class: decided once, here."""

import traceback

from dropscore.contracts.errors import ContractError, DropscoreError, FailedError, TransientCloudError
from dropscore.contracts.failures import Code, Failure, FailureClass, failure
from dropscore.contracts.refusals import refusal_of

OUT_OF_MEMORY_TYPES = frozenset({"OutOfMemoryError", "MemoryError"})
"""torch's own (also under `torch.cuda`) and Python's, by name: this module does not import torch."""
OUT_OF_MEMORY_WORDS = ("out of memory", "can't allocate memory", "CUBLAS_STATUS_ALLOC_FAILED")
DEVICE_LOST_TYPES = frozenset({"AcceleratorError"})
DEVICE_LOST_WORDS = ("CUDA error", "cuDNN error", "CUBLAS_STATUS", "device-side assert", "NCCL error")
MAX_DETAIL = 8000
"""Characters of a traceback that are kept."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the device (or the machine) had no memory left for a tensor."""
    if type(error).__name__ in OUT_OF_MEMORY_TYPES:
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in OUT_OF_MEMORY_WORDS)


def is_device_lost(error: BaseException) -> bool:
    """Whether the device can not be used by this process any more. An error of memory is none of these."""
    if is_out_of_memory(error):
        return False
    if type(error).__name__ in DEVICE_LOST_TYPES:
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in DEVICE_LOST_WORDS)


def class_of(error: BaseException) -> FailureClass:
    """The class of the failure that an exception means, without its detail, which takes a moment to put together."""
    if isinstance(error, DropscoreError):
        return cause_of(error).failure_class
    if is_out_of_memory(error):
        return FailureClass.OUT_OF_MEMORY
    return FailureClass.DEVICE_LOST if is_device_lost(error) else FailureClass.BUG


def cause_of(error: BaseException) -> Failure:
    """The failure that an exception means."""
    if isinstance(error, FailedError):
        return error.failure
    if isinstance(error, DropscoreError):
        return refusal_of(error) or _of_ours(error)
    if is_out_of_memory(error):
        return failure(Code.OUT_OF_MEMORY, detail=trace_of(error))
    if is_device_lost(error):
        return failure(Code.DEVICE_LOST, detail=trace_of(error))
    return failure(Code.INTERNAL, f"{type(error).__name__}: {error}"[:500], detail=trace_of(error))


def _of_ours(error: DropscoreError) -> Failure:
    if isinstance(error, TransientCloudError):
        return failure(Code.STORAGE_UNAVAILABLE, f"storage did not answer: {error}")
    if isinstance(error, ContractError):
        return failure(Code.INTERNAL, f"what storage holds of this run does not fit this worker: {error}")
    return failure(Code.INTERNAL, str(error)[:500], detail=trace_of(error))


def trace_of(error: BaseException) -> str:
    """The end of an exception's traceback, where the cause stands."""
    return "".join(traceback.format_exception(error))[-MAX_DETAIL:]
