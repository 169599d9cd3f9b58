"""Which names of inputs are let through, and in which order those of a folder come."""

import re
import unicodedata

from dropscore.contracts.failures import Code, Failure, failure

_DRIVE = re.compile(r"[A-Za-z]:")
_TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that turn the direction of writing, so that a name reads as another."""


def name_problem(name: str, field: str) -> Failure | None:
    """Why a name cannot be that of an input; None when it can.

    Spaces, `#`, `%` and letters of any script are fine. A name that ends in `/` stands for everything below it.
    """
    reason = _reason(name)
    if reason is None:
        return None
    return failure(Code.INPUT_NAME, f"The input name {name!r} {reason}.", field=field, input=name)


def natural_key(name: str) -> tuple[tuple[int, int, str], ...]:
    """A key that sorts `frame2` before `frame10`."""
    parts = re.findall(r"[0-9]+|[^0-9]+", name)
    return tuple((0, int(part), "") if part.isascii() and part.isdigit() else (1, 0, part) for part in parts)


def _reason(name: str) -> str | None:
    parts = name.removesuffix("/").split("/")
    reasons = (
        (any(unicodedata.category(character) in ("Cc", "Cs") for character in name), "has a control character"),
        (not _TURNING.isdisjoint(name), "has a character that turns the direction of writing"),
        ("\\" in name, "has a backslash; folders are separated by '/'"),
        (
            name.startswith("/") or _DRIVE.match(name) is not None,
            "is absolute; names are relative to the container 'inputs'",
        ),
        (".." in parts or "." in parts, "has a '.' or '..' in it"),
        ("" in parts, "has an empty part"),
    )
    return next((reason for wrong, reason in reasons if wrong), None)
