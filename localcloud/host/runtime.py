"""The border to Microsoft's worker library for Python (`azure-functions-runtime`), typed.

The library keeps one app for each process. The messages it exchanges with the real host are plain objects here, so
no protobuf is involved; values travel as its `Datum`, a value with the name of its type.
"""

import logging
import os
import sys
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from azure_functions_runtime import functions_metadata_request, start_threadpool_executor, worker_init_request
from azure_functions_runtime.bindings.datumdef import Datum
from azure_functions_runtime.native_invocation import invocation_request_native

__all__ = ["AppError", "Datum", "datum", "invoke", "load"]

THREADS = 32
"""Threads for functions that are not coroutines; the setting PYTHON_THREADPOOL_THREAD_COUNT overrides it."""


class AppError(Exception):
    """The app could not be loaded; the message holds the reason and the traceback."""


def datum(value: Any, kind: str) -> Datum:
    """A value of one of the kinds `string`, `bytes`, `json` (as text) and `http`."""
    return Datum(value, kind)  # type: ignore[no-untyped-call]  # the library's own constructor has no types


async def invoke(
    function_id: str, inputs: Sequence[tuple[str, Datum]], metadata: Mapping[str, Datum]
) -> tuple[Datum | None, str | None, str]:
    """Run a function; returns its value, the `repr` of what it raised (None if nothing) and the traceback of that."""
    ok, value, _outputs, error, trace = await invocation_request_native(  # type: ignore[no-untyped-call]
        str(uuid.uuid4()), function_id, list(inputs), dict(metadata)
    )
    return (value, None, "") if ok else (None, str(error), str(trace))


async def load(folder: Path) -> Sequence[Any]:
    """Import `function_app.py` of a folder; returns what the real host is told of each function.

    Each has `name`, `function_id` and `raw_bindings` (JSON texts). Raises `AppError`.
    """
    os.environ.setdefault("PYTHON_THREADPOOL_THREAD_COUNT", str(THREADS))
    sys.path.insert(0, str(folder))
    # The library logs every failed invocation with its traceback; so does this host, and says of which function.
    logging.getLogger("azure.functions").setLevel(logging.CRITICAL)
    start_threadpool_executor()
    init = SimpleNamespace(capabilities={}, function_app_directory=str(folder))
    request = SimpleNamespace(
        request=SimpleNamespace(worker_init_request=init), properties={"host": "127.0.0.1", "protos": _messages()}
    )
    answer = await worker_init_request(request)  # type: ignore[no-untyped-call]
    if answer.result.status != 1:
        said = answer.result.exception
        trace = getattr(said, "stack_trace", "") or ""
        raise AppError(f"{folder / 'function_app.py'} could not be loaded: {said.message}\n{trace}".strip())
    answer = await functions_metadata_request(request)  # type: ignore[no-untyped-call]
    return answer.function_metadata_results or ()


def _messages() -> SimpleNamespace:
    """Classes that keep their keyword arguments, in the place of the generated messages of the Functions protocol."""
    names = (
        "WorkerInitResponse WorkerMetadata RpcFunctionMetadata RpcException FunctionMetadataResponse "
        "FunctionLoadResponse InvocationResponse ParameterBinding TypedData RpcHttp RpcHttpCookie RpcRetryOptions "
        "NullableString NullableBool NullableDouble NullableTimestamp"
    )
    messages = SimpleNamespace(**{name: _record(name) for name in names.split()})
    messages.StatusResult = _record("StatusResult", Failure=0, Success=1, Cancelled=2)
    messages.BindingInfo = _record("BindingInfo", undefined=0, string=1, binary=2, stream=3, out=1, inout=2)
    setattr(messages.BindingInfo, "in", 0)
    return messages


def _record(name: str, **constants: int) -> type:
    def keep(self: Any, **values: Any) -> None:
        self.__dict__.update(values)

    return type(name, (), {"__init__": keep, **constants})
