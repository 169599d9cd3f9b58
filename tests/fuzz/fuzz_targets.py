"""What reads texts of others, and what must come of every text, however spoiled. A target raises `AssertionError`, or
whatever the product raised that it should not have.
"""

import base64
import json
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from activities.catalogue import Catalogue, Checked
from activities.request_text import request_of
from dropscore.api.starting import Starter, encoding_problem
from dropscore.cloud.azure_queue import _decoded
from dropscore.cloud.memory import ManualClock, memory_cloud
from dropscore.contracts.codec import decode, encode_bytes
from dropscore.contracts.errors import ContractError
from dropscore.contracts.failures import Code, Failure
from dropscore.contracts.messages import (
    MAX_POISON_BYTES,
    READERS,
    original_of,
    poison_record,
    poisoned_trigger,
    read_poison,
)
from dropscore.contracts.names import POISON_QUEUES, QueueName
from dropscore.contracts.plan import PlanIndex, ShardMessage, ShardSpec
from dropscore.contracts.reading import ends_early
from dropscore.contracts.request import MAX_REQUEST_BYTES, AdmittedRun, RunRequest, RunSource
from dropscore.contracts.verdict import Verdict

PLACE = re.compile(r"line \d+ column \d+|byte \d+|nested deeper|twice|not a JSON number|too large|digits")
"""How a text that is no JSON is told where, or by what."""
CATALOGUE = Catalogue()
STARTER = Starter(memory_cloud(ManualClock()).cloud)


@dataclass(frozen=True, kw_only=True)
class Target:
    """What a spoiled text is given to, and the whole texts it is made of."""

    name: str
    seeds: Sequence[bytes]
    check: Callable[[bytes], str]
    """Returns what came of it, in one word."""


@dataclass
class Outcomes:
    """How often each word was returned."""

    counts: dict[str, int] = field(default_factory=dict)

    def add(self, word: str) -> None:
        self.counts[word] = self.counts.get(word, 0) + 1


def trigger(body: bytes) -> str:
    """A trigger's bytes become a request or failures that name field and place; and so does what is made of it."""
    if len(body) > MAX_REQUEST_BYTES:
        return "too large"
    assert ends_early(body.decode("utf-8", "replace")) in (True, False)
    record = STARTER._record("run-1", RunSource(kind="trigger", trigger_name="a.json", etag="1"), body)
    encode_bytes(record)
    request = request_of(record)
    if not isinstance(request, RunRequest):
        _explained(request, encoded=encoding_problem(body) is None)
        return "malformed" if request[0].code is Code.REQUEST_MALFORMED else "field"
    assert decode(RunRequest, encode_bytes(request)) == request
    checked = CATALOGUE.check(request)
    if not isinstance(checked, Checked):
        _explained(checked, encoded=True)
        return "workload"
    assert decode(type(checked.options), encode_bytes(checked.options)) == checked.options
    return "request"


def _explained(failures: Sequence[Failure], *, encoded: bool) -> None:
    assert failures
    for one in failures:
        assert decode(Failure, encode_bytes(one)) == one
        assert one.message
        assert one.action
        if one.code is Code.REQUEST_MALFORMED and encoded and "empty" not in one.message:
            assert PLACE.search(one.message), one.message
        if one.code is Code.REQUEST_FIELD:
            assert one.field or "no JSON object" in one.message or not one.message.startswith(":"), one


def message_of(queue: QueueName) -> Callable[[bytes], str]:
    """A queue's reader takes a message, or says why not; and what it says can be put aside and looked at."""

    def check(body: bytes) -> str:
        try:
            read = READERS[queue](body)
        except ContractError as error:
            record = poison_record(queue, str(error), body, worker="w", at="2026-01-01T00:00:00Z")
            assert len(record) <= MAX_POISON_BYTES
            told = read_poison(POISON_QUEUES[queue], record)
            assert told.body_bytes == len(body)
            assert original_of(told) in (None, body)
            return "put aside"
        assert decode(type(read), encode_bytes(read)) == read
        return "read"

    return check


def on_the_wire(content: bytes) -> str:
    """The text of a message, as other programs may send it, is always some bytes."""
    text = content.decode("utf-8", "replace")
    body = _decoded(text)
    assert body in (base64.b64decode(content, validate=False) if _is_base64(text) else body, text.encode())
    return "base64" if body != text.encode() else "plain"


def _is_base64(text: str) -> bool:
    with suppress(ValueError):
        return bool(base64.b64decode(text, validate=True) or not text)
    return False


def poison(body: bytes) -> str:
    """What stands on a poison queue can always be looked at; a poisoned trigger has a name or none."""
    for queue in POISON_QUEUES.values():
        encode_bytes(read_poison(queue, body, at="2026-01-01T00:00:00Z"))
    name = poisoned_trigger(body)
    assert name is None or name
    return "none" if name is None else "named"


def stored(body: bytes) -> str:
    """What lies in storage is read, or refused as a `ContractError` that can be told."""
    for contract in (AdmittedRun, PlanIndex, ShardSpec, Verdict):
        try:
            decode(contract, body)
        except ContractError as error:
            _told(error)
        else:
            return contract.__name__
    return "refused"


def _told(error: ContractError) -> None:
    str(error).encode()
    assert error.problems


REQUEST = {
    "workload": "style_transfer",
    "inputs": ["film.mp4", "photos/"],
    "options": {"strength": 0.5, "preserve_colour": True, "method": "feed_forward", "crf": 20, "preset": "fast"},
    "model": "mosaic-night@stable",
    "lane": "urgent",
    "note": "büro #1 – 夜",
    "policy": {"lease_s": 10.0, "max_workers": 4, "tolerate_percent": 2.5},
}
SHARD = ShardMessage(
    run_id="film-night-3f9a0c1d2e4b5a67",
    shard=ShardSpec(shard_id=7, input_index=0, first_item=840, items=120, work={"from": 3, "name": "a b"}),
)
POISONED = {
    "Type": "BlobTrigger",
    "FunctionId": "f",
    "ContainerName": "triggers",
    "BlobName": "a b/c.json",
    "ETag": '"1"',
}
VERDICT = {
    "schema_version": 1, "run_id": "run-1", "shard_id": 7, "outcome": "done", "items_done": 120, "items_failed": 0,
    "worker": {"worker": "w", "device": "cpu", "code_version": "1"}, "started_at": "2026-01-01T00:00:00Z",
    "duration_s": 1.5, "items": [{"item": 840, "fetch_s": 0.1}],
}  # fmt: skip


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


TRIGGERS = (
    _json(REQUEST),
    json.dumps(REQUEST, indent=2).encode(),
    _json({"workload": "style_transfer", "inputs": ["a"]}),
    b"holiday/",
)
EVENTS = (b'{"schema_version":1,"run_id":"run-1","reason":"plan"}', b'{"run_id":"run-1"}')
SHARDS = (encode_bytes(SHARD), encode_bytes(SHARD.model_copy(update={"generation": 3})))

TARGETS = (
    Target(name="trigger bodies", seeds=TRIGGERS, check=trigger),
    Target(name="shard messages", seeds=(*SHARDS, *EVENTS), check=message_of(QueueName.SHARDS_NORMAL)),
    Target(name="run events", seeds=(*EVENTS, *SHARDS), check=message_of(QueueName.RUN_EVENTS)),
    Target(name="message texts", seeds=tuple(base64.b64encode(one) for one in SHARDS), check=on_the_wire),
    Target(name="poison messages", seeds=(_json(POISONED), *EVENTS), check=poison),
    Target(name="stored documents", seeds=(_json(VERDICT), *SHARDS, *TRIGGERS), check=stored),
)
