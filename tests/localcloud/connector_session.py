"""Calls a deployment as the connector would: only what its definition tells of, in the way it tells."""

import copy
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
from jsonschema import Draft4Validator

from tools.connector.words import HIDDEN

ROOT = Path(__file__).resolve().parents[2]
DEFINITION: dict[str, Any] = json.loads((ROOT / "infra" / "connector" / "apiDefinition.swagger.json").read_text())
OPERATIONS: dict[str, tuple[str, str, dict[str, Any]]] = {
    told["operationId"]: (method, path, told)
    for path, item in DEFINITION["paths"].items()
    for method, told in item.items()
    if not method.startswith("x-")
}
LIMIT_S = 90
"""For this machine under load."""


@dataclass(kw_only=True)
class Session:
    """A connection: the deployment and its key. `called` notes the operations that were called."""

    url: str
    key: str
    called: set[str] = field(default_factory=set)

    def call(self, operation: str, body: Any = None, **inputs: str) -> httpx.Response:
        """Call an operation with parameters by name (hyphens as underscores); its answer is what the definition says.

        Raises `KeyError` for a parameter that it does not know.
        """
        method, path, told = OPERATIONS[operation]
        places = {one["name"].replace("-", "_"): (one["name"], one["in"]) for one in told["parameters"]}
        query: dict[str, str] = {}
        headers: dict[str, str] = {}
        for name, value in inputs.items():
            known, place = places[name]
            if place == "path":
                path = path.replace(f"{{{known}}}", quote(value, safe=""))
            else:
                (query if place == "query" else headers)[known] = value
        return self.send(method, path, query=query, headers=headers, body=body)

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] = {},
        headers: Mapping[str, str] = {},
        body: Any = None,
    ) -> httpx.Response:
        """Send a request that one of the operations fits, and hold request and answer against it."""
        operation = operation_of(method, path)
        told = OPERATIONS[operation][2]
        require_told_of(told, query, headers, body)
        self.called.add(operation)
        content = None if body is None else json.dumps(body).encode()
        sent = {**headers, "x-functions-key": self.key} | ({"Content-Type": "application/json"} if content else {})
        answer = httpx.request(
            method.upper(), self.url + path, params=query or None, headers=sent, content=content, timeout=30
        )
        require_answer(told, answer)
        return answer

    def followed(self, answer: httpx.Response) -> httpx.Response:
        """What comes in the end of an answer, as workflows do it: `Location` is asked while the answer is 202."""
        end = time.monotonic() + LIMIT_S
        while answer.status_code == 202:
            assert time.monotonic() < end, f"202 for {LIMIT_S} s: {answer.text}"
            location = answer.headers["location"]
            assert location.startswith(self.url), "a workflow follows whole addresses alone"
            time.sleep(min(1, int(answer.headers.get("retry-after", 1))))
            answer = self.send("get", location.removeprefix(self.url))
        return answer


def operation_of(method: str, path: str) -> str:
    """The operation that a request is one of."""
    plain = urlsplit(path).path
    for operation, (its, template, _) in OPERATIONS.items():
        if its == method.lower() and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), plain):
            return operation
    raise AssertionError(f"The definition has no {method.upper()} {path}.")


def require_told_of(told: Mapping[str, Any], query: Mapping[str, str], headers: Mapping[str, str], body: Any) -> None:
    """Hold a request against its operation: nothing that it does not tell of, nothing required left out."""
    by_place: dict[str, dict[str, Any]] = {}
    for one in told["parameters"]:
        by_place.setdefault(one["in"], {})[one["name"]] = one
    assert set(query) <= set(by_place.get("query", {})), query
    assert set(headers) <= set(by_place.get("header", {})), headers
    asked = by_place.get("body", {}).get("body")
    if asked is None:
        assert body is None
    elif body is not None or asked["required"]:
        assert problems(asked["schema"], body) == []


def require_answer(told: Mapping[str, Any], answer: httpx.Response) -> None:
    """Hold an answer against its operation: a status that it tells of, with the body and the headers it tells of."""
    status = str(answer.status_code)
    assert status in told["responses"], f"{told['operationId']}: {status} {answer.text[:300]}"
    expected = told["responses"][status]
    for name in expected.get("headers", {}):
        assert name == "Retry-After" or name in answer.headers, f"{told['operationId']} {status}: no {name}"
    if "schema" in expected:
        assert problems(expected["schema"], answer.json()) == []
    else:
        assert answer.content == b""


def problems(schema: Mapping[str, Any], value: Any) -> list[str]:
    """Where a value does not fit a schema of the definition, or holds what that does not tell of."""
    whole = resolved(schema)
    wrong = [f"{error.json_path}: {error.message[:200]}" for error in Draft4Validator(whole).iter_errors(value)]
    return wrong + untold(whole, value)


def resolved(schema: Any) -> Any:
    """A schema of the definition as plain JSON Schema: references followed, and null allowed where it is said."""
    if isinstance(schema, list):
        return [resolved(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return resolved(DEFINITION["definitions"][schema["$ref"].rsplit("/", 1)[1]])
    whole = {word: resolved(value) for word, value in schema.items()}
    if whole.pop("x-nullable", False) is True:
        return {"anyOf": [whole, {"type": "null"}]}
    return whole


def untold(schema: Any, value: Any, where: str = "$") -> list[str]:
    """Fields of a value that a schema does not tell of, but for those that the connector hides on purpose."""
    (known, *_) = schema.get("anyOf", [schema])
    if isinstance(value, list):
        return [text for one in value for text in untold(known.get("items", {}), one, f"{where}[]")]
    if not isinstance(value, dict) or "properties" not in known:
        return []
    hidden = {name.rpartition(".")[2] for name in HIDDEN}
    found = [f"{where}.{name}: not told of" for name in value if name not in known["properties"] and name not in hidden]
    for name, one in known["properties"].items():
        found += untold(one, value.get(name), f"{where}.{name}")
    return found


def notification_schema(path: str) -> dict[str, Any]:
    """What the definition says a trigger is sent."""
    return copy.deepcopy(DEFINITION["paths"][path]["x-ms-notification-content"]["schema"])
