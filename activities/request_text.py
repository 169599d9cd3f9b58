"""The text of a trigger file or of a call, as a request."""

import re

from dropscore.contracts.failures import Code, failure
from dropscore.contracts.reading import Refusal, read_request
from dropscore.contracts.request import RunRecord, RunRequest

FOLDER_WORKLOAD = "style_transfer"
"""What a trigger that only names a folder asks for, as in the 2018 reference architecture."""

_LOOKS_LIKE_JSON = re.compile(r"[{}\[\]\"]")


def request_of(record: RunRecord) -> RunRequest | Refusal:
    """Read what a run was asked for: a JSON request, or in a trigger file the bare name of a folder of inputs."""
    if record.refusal is not None:
        return (record.refusal,)
    text = (record.body or "").removeprefix("\ufeff").strip()
    if not text:
        return (failure(Code.REQUEST_MALFORMED, "The request is empty."),)
    if record.source.kind == "trigger" and _is_folder_name(text):
        return RunRequest(workload=FOLDER_WORKLOAD, inputs=(text.rstrip("/") + "/",))
    return read_request(text)


def _is_folder_name(text: str) -> bool:
    return len(text) < 1024 and len(text.splitlines()) == 1 and _LOOKS_LIKE_JSON.search(text) is None
