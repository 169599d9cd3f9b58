"""What is asked of the weather: one line of `name=value`, separated by commas.

For example `seed=7,rate=0.2,kinds=503+reset+lost`. The names:

    seed=7               the one number that everything is drawn from
    rate=0.2             share of requests that meet a fault (0 to 1)
    kinds=503+reset      which faults, all equally likely; those of `ANY_TIME` if not said
    on=storage           whose requests: storage, batch, arm, joined by `+`
    folder=/path         where each process writes down what it did (`.local/weather` under a local cloud)
    outage=/path         while this file exists, every request meets the fault it names (`refuse` if it is empty)
    events=0.05          share of the blobs written (0 to 1) of which the Functions host is never told
    retry_after=0.5      seconds that `503-after` asks to wait
    slow=0.5             seconds that `drip` takes, and `timeout` waits
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

VARIABLE = "DROPSCORE_FAULTS"


class Kind(StrEnum):
    """What happens to a request."""

    REFUSE = "refuse"
    """Nobody listens."""
    RESET = "reset"
    """The connection breaks before the request has arrived."""
    LOST = "lost"
    """The request takes effect, then the connection breaks: the answer is lost."""
    TIMEOUT = "timeout"
    """No answer comes in time; every other time the request has taken effect."""
    BUSY_429 = "429"
    FAIL_500 = "500"
    BUSY_503 = "503"
    BUSY_503_AFTER = "503-after"
    """503 with `Retry-After`."""
    CUT = "cut"
    """The connection breaks in the middle of the answer's body."""
    SHORT = "short"
    """The answer's body ends early, and its length agrees: something on the way has shortened both."""
    DRIP = "drip"
    """The answer's body comes slowly."""
    READ_ONLY = "403"
    """Writes are refused: the account is read-only, or a right was taken away."""
    FULL = "507"
    """Writes are refused: the account is full."""


ANY_TIME = tuple(kind for kind in Kind if kind not in (Kind.READ_ONLY, Kind.FULL))
"""Faults that pass: whoever asks again gets an answer."""


class SpecError(ValueError):
    """The line cannot be understood."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """One line, understood. `rate` and `events` are probabilities; times are in seconds."""

    seed: int = 0
    rate: float = 0.0
    events: float = 0.0
    kinds: tuple[Kind, ...] = ANY_TIME
    on: frozenset[str] = frozenset({"storage"})
    folder: Path | None = None
    outage: Path | None = None
    retry_after_s: float = 0.5
    slow_s: float = 0.5

    @classmethod
    def parse(cls, text: str) -> "Spec":
        """Understand a line. Raises `SpecError` that names what it does not know."""
        said = dict(_pairs(text))
        unknown = set(said) - _NAMES
        if unknown:
            raise SpecError(f"{VARIABLE} knows {', '.join(sorted(_NAMES))}; not {', '.join(sorted(unknown))}")
        try:
            return cls(
                seed=int(said.get("seed", "0")),
                rate=_share(said, "rate"),
                events=_share(said, "events"),
                kinds=_kinds(said),
                on=frozenset(said.get("on", "storage").split("+")),
                folder=_path(said, "folder"),
                outage=_path(said, "outage"),
                retry_after_s=float(said.get("retry_after", "0.5")),
                slow_s=float(said.get("slow", "0.5")),
            )
        except ValueError as error:
            raise SpecError(f"{VARIABLE}: {error}") from error


_NAMES = {"seed", "rate", "events", "kinds", "on", "folder", "outage", "retry_after", "slow"}


def _pairs(text: str) -> list[tuple[str, str]]:
    found = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = part.partition("=")
        if not equals:
            raise SpecError(f"{VARIABLE}: {part!r} is no name=value")
        found.append((name, value))
    return found


def _share(said: Mapping[str, str], name: str) -> float:
    share = float(said.get(name, "0"))
    if not 0 <= share <= 1:
        raise ValueError(f"{name} is from 0 to 1, not {said[name]}")
    return share


def _kinds(said: Mapping[str, str]) -> tuple[Kind, ...]:
    return tuple(Kind(word) for word in said["kinds"].split("+")) if "kinds" in said else ANY_TIME


def _path(said: Mapping[str, str], name: str) -> Path | None:
    return Path(said[name]) if said.get(name) else None
