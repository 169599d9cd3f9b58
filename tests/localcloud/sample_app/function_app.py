"""A small app that uses every binding the local host serves. It notes what it did in a file named by a setting."""

import json
import os
import threading
import time
from datetime import timedelta
from pathlib import Path

import azure.durable_functions as df
import azure.functions as func
from azure.durable_functions.client import DurableFunctionsClient, SyncDurableFunctionsClient
from durabletask import task

app = df.DFApp(http_auth_level=func.AuthLevel.FUNCTION)
_writing = threading.Lock()


def note(kind: str, **facts: object) -> None:
    """Append one line to the notes."""
    with _writing, Path(os.environ["SAMPLE_NOTES"]).open("a") as file:
        file.write(json.dumps({"kind": kind, "pid": os.getpid(), **facts}) + "\n")


def gate(name: str) -> bool:
    """Whether the test has opened this gate: a file beside the notes."""
    return Path(os.environ["SAMPLE_NOTES"]).with_name(name).exists()


# -- HTTP


@app.route(route="echo/{name}", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
def echo(req: func.HttpRequest) -> func.HttpResponse:
    said = {
        "method": req.method,
        "url": req.url,
        "name": req.route_params["name"],
        "query": dict(req.params),
        "header": req.headers.get("X-Sample"),
        "body": req.get_body().decode(),
    }
    answer = func.HttpResponse(
        json.dumps(said), status_code=201, mimetype="application/json", headers={"X-Back": "yes"}
    )
    answer.headers.add("Set-Cookie", "a=1; Path=/; HttpOnly")
    return answer


@app.route(route="nothing", methods=["GET"])
def nothing(req: func.HttpRequest) -> str:
    return "just text"


@app.route(route="broken", methods=["GET"])
def broken(req: func.HttpRequest) -> str:
    raise RuntimeError("a secret detail")


@app.route(route="{*route}")
@app.durable_client_input(client_name="client")
async def everything(req: func.HttpRequest, client: DurableFunctionsClient) -> func.HttpResponse:
    route = req.route_params.get("route", "")
    if req.method == "POST":
        name, _, instance_id = route.partition("/")
        try:
            await client.schedule_new_orchestration(name, input=req.get_json(), instance_id=instance_id)
        except Exception as error:  # noqa: BLE001 - the test asks what is raised
            return func.HttpResponse(type(error).__name__, status_code=409)
        return func.HttpResponse(instance_id, status_code=202)
    return func.HttpResponse(f"{req.method} {route!r}")


# -- storage


@app.blob_trigger(arg_name="blob", path="%SampleContainer%/{name}", connection="DataStorage", source="EventGrid")
def on_blob(blob: func.InputStream) -> None:
    content = blob.read()
    note(
        "blob",
        name=blob.name,
        uri=blob.uri,
        length=blob.length,
        read=len(content),
        content=content[:100].decode(),
        properties=blob.blob_properties,
        metadata=blob.metadata,
    )
    if content.startswith(b"fail"):
        raise ValueError("bad blob")
    if content == b"slow":
        time.sleep(0.05)
    note("blob done", name=blob.name)


@app.queue_trigger(arg_name="message", queue_name="webjobs-blobtrigger-poison", connection="DataStorage")
def on_blob_poison(message: func.QueueMessage) -> None:
    note("blob-poison", body=message.get_body().decode())


@app.queue_trigger(arg_name="message", queue_name="%SampleQueue%", connection="SystemStorage")
@app.durable_client_input(client_name="client")
def on_message(message: func.QueueMessage, client: SyncDurableFunctionsClient) -> None:
    body = message.get_body().decode()
    inserted = message.insertion_time.timestamp()
    note("message", body=body, id=message.id, count=message.dequeue_count, inserted=inserted, at=time.time())
    if body == "fail" or (body == "fail once" and message.dequeue_count == 1):
        raise ValueError("bad message")
    if body.startswith("slow"):
        time.sleep(1.8 if body == "slower" else 0.4)
        note("message done", body=body, at=time.time())
    if body.startswith("nudge "):
        client.raise_orchestration_event(body.removeprefix("nudge "), "nudge", data="from a queue")


@app.timer_trigger(arg_name="timer", schedule="%SampleSchedule%", run_on_startup=False)
def on_timer(timer: func.TimerRequest) -> None:
    note("timer", past_due=timer.past_due, at=time.time(), status=timer.schedule_status)


# -- durable


@app.orchestration_trigger(context_name="context")
def chain(ctx: task.OrchestrationContext, payload: dict):
    """Call `add` `times` times, one after the other."""
    total = 0
    for _ in range(payload["times"]):
        step = {"value": total, "by": 1, "sleep": payload.get("sleep", 0), "note": payload.get("note", False)}
        total = yield ctx.call_activity("add", input=step)
    return total


@app.orchestration_trigger(context_name="context")
def fan(ctx: task.OrchestrationContext, payload: dict):
    """Call `add` `times` times, all at once."""
    results = yield task.when_all(
        [ctx.call_activity("add", input={"value": n, "by": 0}) for n in range(payload["times"])]
    )
    return sum(results)


@app.orchestration_trigger(context_name="context")
def parent(ctx: task.OrchestrationContext, payload: dict):
    """Run `chain` as a child and add what it gives."""
    first = yield ctx.call_sub_orchestrator("chain", input={"times": payload["times"]})
    second = yield ctx.call_sub_orchestrator("chain", input={"times": payload["times"]})
    return first + second


@app.orchestration_trigger(context_name="context")
def listener(ctx: task.OrchestrationContext, payload: dict):
    """Wait for nudges, continue as new after each, and end after `rounds` of them or at a timer."""
    nudged = ctx.wait_for_external_event("nudge")
    timer = ctx.create_timer(timedelta(seconds=payload.get("timer_s", 60)))
    first = yield task.when_any([nudged, timer])
    if first is timer:
        return {"timer": payload["rounds"]}
    if payload["rounds"] == 1:
        return {"nudged": nudged.get_result()}
    ctx.continue_as_new({**payload, "rounds": payload["rounds"] - 1}, save_events=True)
    return None


@app.orchestration_trigger(context_name="context")
def fragile(ctx: task.OrchestrationContext, payload: dict):
    """Call an activity that fails, with a retry policy if asked for, and say what is caught."""
    policy = task.RetryPolicy(first_retry_interval=timedelta(milliseconds=10), max_number_of_attempts=3)
    try:
        yield ctx.call_activity("break", input=payload, retry_policy=policy if payload.get("retry") else None)
    except task.TaskFailedError as error:
        return {"type": error.details.error_type, "message": error.details.message}
    return "not broken"


@app.orchestration_trigger(context_name="context")
def gated(ctx: task.OrchestrationContext, payload: dict):
    """Look at a gate again and again until it is open."""
    rounds = 0
    while not (yield ctx.call_activity("look", input=payload)):
        rounds += 1
        yield ctx.create_timer(timedelta(milliseconds=20))
    return "open"


@app.orchestration_trigger(context_name="context")
def lost(ctx: task.OrchestrationContext, payload: dict):
    """Call an activity that does not exist."""
    return (yield ctx.call_activity("missing", input=payload))


@app.activity_trigger(input_name="payload")
def add(payload: dict) -> int:
    if payload.get("note"):
        note("adding")
    time.sleep(payload.get("sleep", 0))
    if payload.get("note"):
        note("added")
    return payload["value"] + payload["by"]


@app.activity_trigger(input_name="payload", activity="break")
def break_activity(payload: dict) -> None:
    note("break", **payload)
    raise ValueError("it broke:\nfor good")


@app.activity_trigger(input_name="payload")
def look(payload: dict) -> bool:
    note("look", gate=payload["gate"])
    return gate(payload["gate"])
