"""Lines of logs: what each says, and which are wanted."""

import json
import math
from dataclasses import dataclass
from typing import Any

from dropscore.contracts.base import Json
from dropscore.contracts.http.items import LogLevel, LogLine

_TOLD_APART = frozenset({"at", "level", "message", "actor", "item", "shard_id", "run_id"})
_LEVELS = tuple(level.value for level in LogLevel)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinesWanted:
    """Which lines are wanted: of actors whose name holds `actor`, about `item` or the shard that holds it, of at least
    this level. Text that tells no level is wanted at any: it may be a crash.
    """

    actor: str = ""
    item: int | None = None
    shard_id: int | None = None
    level: LogLevel | None = None

    def __call__(self, line: LogLine) -> bool:
        """Whether a line of such an actor is wanted."""
        if self.item is not None:
            about = line.item == self.item or (line.item is None and line.shard_id == self.shard_id)
            if not about:
                return False
        return self.level is None or line.level not in _LEVELS or _LEVELS.index(line.level) >= _LEVELS.index(self.level)


def line_of(actor: str, data: bytes) -> LogLine:
    """What a line says; one that is no JSON object of ours is its own message."""
    text = data.decode(errors="replace")
    fields = _object(text)
    if fields is None:
        return LogLine(actor=actor, message=text)
    message = _text(fields.get("message"))
    return LogLine(
        actor=actor,
        at=_text(fields.get("at")),
        level=_text(fields.get("level")),
        message="" if message is None else message,
        item=_count(fields.get("item")),
        shard_id=_count(fields.get("shard_id")),
        fields={name: value for name, value in fields.items() if name not in _TOLD_APART},
    )


def _object(text: str) -> dict[str, Json] | None:
    """The object that a line is; None for another text, and for an object that could not be told in UTF-8 again."""
    if not text.startswith("{"):
        return None
    try:
        value: Any = json.loads(text, parse_constant=str, parse_float=_number)
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _number(text: str) -> float | str:
    number = float(text)
    return number if math.isfinite(number) else text


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) else None


def _count(value: Json) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
