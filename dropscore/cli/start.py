"""Upload inputs and ask for a run: through the API, or with a trigger file as any other tool would."""

import json
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final

from rich.text import Text

from dropscore.cli.exits import Exit
from dropscore.cli.options import read_options
from dropscore.cli.session import Session
from dropscore.cli.sources import THERE_ALREADY, Sources, find_option_files, find_sources
from dropscore.cli.uploading import Uploaded, upload_all
from dropscore.cli.watch import LOOK_EVERY_S, watch_run
from dropscore.contracts import layout
from dropscore.contracts.base import Json
from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code
from dropscore.contracts.identity import run_id_of_trigger
from dropscore.contracts.names import Account

TRIGGER_PATIENCE_S: Final = 60.0
STEM_CHARACTERS: Final = 15
"""Of the first input's name, in the trigger's: with a number behind, it fits the readable part of the run's id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartArguments:
    """What the user asked for on the command line."""

    files: Sequence[str]
    workload: str
    options: Sequence[str] = ()
    model: str | None = None
    lane: str | None = None
    note: str | None = None
    key: str | None = None
    """Idempotency key; a new one when absent."""
    trigger: bool = False
    watch: bool = False


def start_run(session: Session, arguments: StartArguments) -> Exit:
    """Start a run, and watch it if asked to."""
    described = _described(session, arguments.workload)
    options = read_options(arguments.options, described.get("options", {}))
    option_files = find_option_files(options)
    sources = find_sources(arguments.files, described.get("input_kinds", ()))
    if sources.passed_over:
        session.screen.say(f"{sources.passed_over} files of other kinds are passed over.")
    if arguments.trigger:
        session.data_account()  # where it is not known, nothing is uploaded in vain
    uploaded = upload_all(session, (*option_files.values(), *sources.uploads))
    options |= {name: uploaded.inputs(upload.name)[0] for name, upload in option_files.items()}
    request = _request(arguments, _inputs(sources, uploaded), options)
    if arguments.trigger:
        run_id, document = _drop_trigger(session, request)
    else:
        view = session.api().start(request, arguments.key or secrets.token_hex(16))
        run_id, document = view.state.run_id, view.document
    if arguments.watch:
        session.screen.say(f"Run {run_id}")
        _wait_until_known(session, run_id)
        return watch_run(session, run_id)
    _tell(session, run_id, document)
    return Exit.OK


def _described(session: Session, name: str) -> Mapping[str, Any]:
    """The workload as the API describes it. Raises `FailedError` (E-WORKLOAD-UNKNOWN)."""
    workloads = session.api().workloads()
    for workload in workloads:
        if workload.get("name") == name:
            return workload
    known = ", ".join(sorted(str(workload.get("name")) for workload in workloads))
    raise FailedError.of(
        Code.WORKLOAD_UNKNOWN, f"there is no workload {name!r}", field="workload", action=f"Use one of these: {known}."
    )


def _inputs(sources: Sources, uploaded: Uploaded) -> list[str]:
    """What the request names for each argument."""
    inputs: list[str] = []
    for name in sources.named:
        there = name.startswith(THERE_ALREADY)
        inputs += [name.removeprefix(THERE_ALREADY)] if there else uploaded.inputs(name)
    return inputs


def _request(arguments: StartArguments, inputs: Sequence[str], options: dict[str, Json]) -> dict[str, Json]:
    """The request; what was not asked for is left out, so that the defaults are the other side's."""
    request: dict[str, Json] = {"workload": arguments.workload, "inputs": list(inputs)}
    given = {"options": options or None, "model": arguments.model, "lane": arguments.lane, "note": arguments.note}
    return request | {name: value for name, value in given.items() if value is not None}


def _drop_trigger(session: Session, request: dict[str, Json]) -> tuple[str, dict[str, Json]]:
    """Write the trigger file; the run's id follows from its name and version, so it is known at once."""
    inputs = request["inputs"]
    first = str(inputs[0]) if isinstance(inputs, list) else ""
    stem = re.sub(r"[^a-z0-9]+", "-", PurePosixPath(first).stem.lower()).strip("-")[:STEM_CHARACTERS]
    name = f"{stem or 'run'}-{secrets.token_hex(4)}.json"
    data = json.dumps(request, ensure_ascii=False, indent=2).encode()
    etag = session.blobs(Account.DATA).put(layout.trigger(name), data, content_type="application/json")
    run_id = run_id_of_trigger(session.data_account(), name, etag)
    return run_id, {"run_id": run_id, "trigger": str(layout.trigger(name))}


def _wait_until_known(session: Session, run_id: str) -> None:
    """Wait until the run exists: a trigger file takes its way through Event Grid first."""
    deadline, pause_s = session.monotonic() + TRIGGER_PATIENCE_S, LOOK_EVERY_S
    while True:
        try:
            session.api().run(run_id)
        except FailedError as error:
            if error.failure.code is not Code.RUN_UNKNOWN:
                raise
            if session.monotonic() > deadline:
                raise FailedError.of(
                    Code.RUN_UNKNOWN,
                    f"the trigger file was not picked up within {TRIGGER_PATIENCE_S:.0f} s",
                    action=f"Look again later with: dropscore watch {run_id}",
                ) from None
        else:
            return
        session.pause(pause_s)
        pause_s *= 1.2


def _tell(session: Session, run_id: str, document: dict[str, Json]) -> None:
    if session.screen.as_json:
        session.screen.document(document)
        return
    session.screen.show(Text(run_id))
    session.screen.say(f"Watch it with: dropscore watch {run_id}")
