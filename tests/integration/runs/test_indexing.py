"""The Functions worker library loads and indexes the real app, and runs one of its functions."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]

INDEX = """
import asyncio, json, sys
from types import SimpleNamespace

import azure_functions_runtime as runtime

ROOT = sys.argv[1]
sys.path.insert(0, ROOT)


def record(name, **constants):
    return type(name, (), {"__init__": lambda self, **members: self.__dict__.update(members), **constants})


NAMES = '''WorkerInitResponse WorkerMetadata RpcFunctionMetadata RpcException FunctionMetadataResponse
FunctionLoadResponse InvocationResponse ParameterBinding TypedData RpcHttp RpcHttpCookie RpcRetryOptions NullableString
NullableBool NullableDouble NullableTimestamp'''
PROTOS = SimpleNamespace(**{name: record(name) for name in NAMES.split()})
PROTOS.StatusResult = record("StatusResult", Failure=0, Success=1, Cancelled=2)
PROTOS.BindingInfo = record("BindingInfo", undefined=0, string=1, binary=2, stream=3, out=1, inout=2, **{"in": 0})
PROPERTIES = {"host": "127.0.0.1", "protos": PROTOS}


async def main():
    runtime.start_threadpool_executor()
    init = SimpleNamespace(capabilities={}, function_app_directory=ROOT)
    asked = SimpleNamespace(request=SimpleNamespace(worker_init_request=init), properties=PROPERTIES)
    answer = await runtime.worker_init_request(asked)
    assert answer.result.status == 1, answer.result.exception.message
    wanted = SimpleNamespace(function_app_directory=ROOT)
    asked = SimpleNamespace(request=SimpleNamespace(functions_metadata_request=wanted), properties=PROPERTIES)
    answer = await runtime.functions_metadata_request(asked)
    assert answer.result.status == 1, answer.result.exception.message
    found = {
        function.name: [json.loads(binding) for binding in function.raw_bindings]
        for function in answer.function_metadata_results
    }
    print(json.dumps(found))


asyncio.run(main())
"""


def test_worker_library_indexes_every_function_of_the_app() -> None:
    done = subprocess.run(
        [sys.executable, "-c", INDEX, str(ROOT)], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert {"on_trigger", "on_trigger_poison", "on_run_event", "http", "score_run", "admit", "finish"} <= set(found)
    durable = [
        binding
        for bindings in found.values()
        for binding in bindings
        if binding["type"].endswith(("Trigger", "Client"))
    ]
    durable_types = {"orchestrationTrigger", "activityTrigger", "durableClient"}
    assert all(binding.get("durableRequiresGrpc") for binding in durable if binding["type"] in durable_types)
