"""What every actor of a run has said, in the order of time."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from rich.text import Text

from dropscore.cli.finding import find_run
from dropscore.cli.session import Session
from dropscore.cloud.ports import BlobStore
from dropscore.contracts import layout
from dropscore.contracts.errors import FailedError, NotFoundError
from dropscore.contracts.failures import Code
from dropscore.contracts.plan import PlanIndex, ShardSpec

LOOK_EVERY_S: Final = 0.5
SHOWN_APART: Final = frozenset({"at", "level", "message", "actor", "worker", "run_id", "traceback"})
CONSOLE: Final = ".console"
"""What a container printed lies beside its own log and mostly says the same."""
ACTOR_COLUMNS: Final = 24
STYLES: Final = {"warning": "yellow", "error": "bold red", "critical": "bold red"}


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One line of one actor. `fields` is empty for text that is no JSON, such as a crash outside of our logging."""

    actor: str
    text: str
    fields: Mapping[str, Any]

    @property
    def order(self) -> str:
        """Lines without a time come first: they are what a container printed before it could log."""
        return str(self.fields.get("at", ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which lines are wanted: of actors whose name holds `actor`, about `item` or the shard that holds it."""

    actor: str = ""
    item: int | None = None
    shard_id: int | None = None

    def __call__(self, line: LogLine) -> bool:
        """Whether a line is wanted."""
        if self.actor not in line.actor:
            return False
        if self.item is None:
            return True
        about = line.fields.get("item")
        return about == self.item or (about is None and line.fields.get("shard_id") == self.shard_id)


class LogTail:
    """Reads the logs of a run from where it stopped reading last time."""

    def __init__(self, blobs: BlobStore, run_id: str) -> None:
        self._blobs = blobs
        self._prefix = layout.logs_prefix(run_id)
        self._read: dict[str, int] = {}
        self._said: set[str] = set()

    def news(self, *, last: bool) -> list[LogLine]:
        """Lines that are new since the last call, in the order of time. A line whose end is not there yet is kept for
        later, unless nothing more is to come (`last`).
        """
        fresh: list[LogLine] = []
        found = sorted(self._blobs.list(self._prefix), key=lambda info: CONSOLE in info.path.name)
        for info in found:
            name = info.path.name
            start = self._read.get(name, 0)
            if info.size_bytes == start:
                continue
            start = start if info.size_bytes > start else 0
            data = self._blobs.get_range(info.path, start, info.size_bytes - start)
            whole = len(data) if last else data.rfind(b"\n") + 1
            self._read[name] = start + whole
            fresh += self._unsaid(_lines(name.removeprefix(self._prefix.name).removesuffix(".log"), data[:whole]))
        return sorted(fresh, key=lambda line: line.order)

    def _unsaid(self, lines: Iterator[LogLine]) -> Iterator[LogLine]:
        """Leave out what a console repeats of a log."""
        for line in lines:
            if CONSOLE not in line.actor:
                self._said.add(line.text)
                yield line
            elif line.text not in self._said:
                yield line


def show_logs(session: Session, run: str, *, actor: str, item: int | None, follow: bool) -> None:
    """Print the logs of a run; with `follow`, until it has ended and nothing new comes."""
    run_id = find_run(session.api(), run).state.run_id
    blobs = session.blobs()
    shard_id = None if item is None else _shard_of(blobs, run_id, item)
    wanted = Filter(actor=actor, item=item, shard_id=shard_id)
    tail = LogTail(blobs, run_id)
    while True:
        ended = not follow or session.api().run(run_id).state.status.ended
        for line in filter(wanted, tail.news(last=ended)):
            _print(session, line)
        if ended:
            return
        session.pause(LOOK_EVERY_S)


def _shard_of(blobs: BlobStore, run_id: str, item: int) -> int:
    """The shard that holds an item. Raises `FailedError` (E-REQUEST-FIELD) when none does."""
    try:
        index = PlanIndex.model_validate_json(blobs.get(layout.plan_index(run_id)).data)
    except NotFoundError:
        raise FailedError.of(
            Code.REQUEST_FIELD, f"the run {run_id} has no plan, and so no items", field="item"
        ) from None
    for page in range(1, index.pages + 1):
        for line in blobs.get(layout.plan_page(run_id, page)).data.splitlines():
            shard = ShardSpec.model_validate_json(line)
            if shard.first_item <= item < shard.first_item + shard.items:
                return shard.shard_id
    message = f"the run has items 0 to {index.items - 1}, and so no item {item}"
    raise FailedError.of(Code.REQUEST_FIELD, message, field="item", action="Use one of these numbers.")


def _lines(actor: str, data: bytes) -> Iterator[LogLine]:
    for text in data.decode(errors="replace").splitlines():
        try:
            fields = json.loads(text)
        except ValueError:
            fields = None
        yield LogLine(actor=actor, text=text, fields=fields if isinstance(fields, dict) else {})


def _print(session: Session, line: LogLine) -> None:
    if session.screen.as_json:
        session.screen.line(
            {"actor": line.actor, **line.fields} if line.fields else {"actor": line.actor, "text": line.text}
        )
        return
    if not line.fields:
        session.screen.show(Text.assemble((f"{line.actor}  ", "dim"), line.text))
        return
    level = str(line.fields.get("level", "info"))
    more = "  ".join(f"{name}={value}" for name, value in line.fields.items() if name not in SHOWN_APART)
    session.screen.show(
        Text.assemble(
            (f"{str(line.fields.get('at', ''))[11:23]}  ", "dim"),
            (f"{level:<8}", STYLES.get(level, "dim")),
            (f"{_short(line.actor)}  ", "cyan"),
            str(line.fields.get("message", "")),
            (f"  {more}" if more else "", "dim"),
        )
    )
    if traceback := line.fields.get("traceback"):
        session.screen.show(Text(str(traceback), style="dim"))


def _short(actor: str) -> str:
    """An actor's name in one column; long ones lose their middle."""
    if len(actor) <= ACTOR_COLUMNS:
        return actor
    half = (ACTOR_COLUMNS - 1) // 2
    return f"{actor[:half]}…{actor[-half:]}"
