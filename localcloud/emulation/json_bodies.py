"""JSON over HTTP: strict in, plain ASCII out."""

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response


class NotJsonError(ValueError):
    """A body is not JSON as the services take it."""


def read_json(body: bytes) -> Any:
    """Decode a body: UTF-8 (a byte order mark is passed over), no NaN or infinity, no double keys.

    Raises NotJsonError.
    """
    try:
        text = body.decode("utf-8-sig")
        return json.loads(text, parse_constant=_no_constant, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise NotJsonError(f"The body is not valid JSON: {error}.") from None


def _no_constant(name: str) -> object:
    raise NotJsonError(f"{name} is not a JSON number")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NotJsonError("an object names a member twice")
    return found


def json_response(
    status: int, body: Any, headers: Mapping[str, str] | None = None, *, media_type: str = "application/json"
) -> Response:
    """An answer with a JSON body."""
    return Response(json.dumps(body), status_code=status, headers=dict(headers or {}), media_type=media_type)


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7396: members of `patch` replace those of `target`, null removes, objects merge."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged
