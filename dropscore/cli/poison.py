"""The messages that nobody could read."""

from collections.abc import Callable
from typing import Any

from rich.table import Table
from rich.text import Text

from dropscore.cli import wording
from dropscore.cli.session import Session
from dropscore.contracts.base import Json
from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code

SHOWN_REASON = 90
SHOWN_ID = 8


def list_poison(session: Session) -> None:
    """Every poison queue with its next messages."""
    queues = session.api().poison()
    if session.screen.as_json:
        session.screen.document({"queues": list[Json](queues)})
        return
    filled = [queue for queue in queues if queue["depth"]]
    if not filled:
        session.screen.show("There are no unreadable messages.")
    for queue in filled:
        word = "message" if queue["depth"] == 1 else "messages"
        session.screen.show(Text.assemble((queue["queue"], "bold"), f"  {queue['depth']:,} {word}"))
        session.screen.show(_table(session, queue["messages"]))
        hidden = queue["depth"] - len(queue["messages"])
        if hidden > 0:
            session.screen.show(Text(f"… and {hidden:,} more, which show when these are gone", style="dim"))


def show_poison(session: Session, queue: str, message: str | None) -> None:
    """One message in full."""
    told = session.api().poisoned(queue, _find(session, queue, message))
    if session.screen.as_json:
        session.screen.document(told)
        return
    table = Table.grid(padding=(0, 3))
    table.add_column(style="dim")
    for name in ("id", "queue", "reason", "worker", "at", "body_bytes"):
        table.add_row(name, str(told.get(name, "")))
    table.add_row("retry", "possible" if told["retry"] else f"no: {told['why_not']['message']}")
    session.screen.show(table)
    session.screen.show()
    session.screen.show(str(told["body"]))


def drop_poison(session: Session, queue: str, message: str | None, *, every: bool) -> None:
    """Delete a message for good, or all of a queue."""
    if every:
        _handle_all(session, lambda: session.api().handle_all_poison(queue, "drop"), "dropped")
        return
    message_id = _find(session, queue, message)
    _tell(session, session.api().handle_poison(queue, message_id, "drop"), f"{message_id} is dropped.")


def retry_poison(session: Session, queue: str, message: str | None, *, every: bool) -> None:
    """Send a message back to where it came from, or all of a queue that can be read."""
    if every:
        _handle_all(session, lambda: session.api().handle_all_poison(queue, "retry"), "sent again")
        return
    message_id = _find(session, queue, message)
    _tell(session, session.api().handle_poison(queue, message_id, "retry"), f"{message_id} is on its queue again.")


def _handle_all(session: Session, step: Callable[[], dict[str, Any]], done_word: str) -> None:
    """Go on, step by step, until nothing is left or nothing changes any more."""
    done = refused = 0
    while True:
        answer = step()
        done += answer["done"]
        refused = answer["refused"]
        if not answer["done"] or answer["left"] <= refused:
            break
    if session.screen.as_json:
        session.screen.document({**answer, "done": done})
        return
    session.screen.show(f"{done:,} messages {done_word}, {answer['left']:,} left.")
    for why in answer["why_not"]:
        session.screen.show(Text(f"{why['code']}  {why['message']}", style="yellow"))


def _find(session: Session, queue: str, beginning: str | None) -> str:
    """The id that begins like this, among the next messages of a queue."""
    if not beginning:
        raise FailedError.of(Code.REQUEST_FIELD, "no message is named", field="ID", action="Give an id, or --all.")
    found = [
        message["id"]
        for one in session.api().poison()
        if queue in (one["queue"], one["source"], one["source"].removeprefix("shards-"))
        for message in one["messages"]
        if message["id"].startswith(beginning)
    ]
    if len(found) > 1:
        raise FailedError.of(
            Code.MESSAGE_UNKNOWN, f"{len(found)} messages begin with {beginning!r}", action="Write more of the id."
        )
    return found[0] if found else beginning


def _tell(session: Session, answer: dict[str, Any], news: str) -> None:
    if session.screen.as_json:
        session.screen.document(answer)
    else:
        session.screen.show(news)


def _table(session: Session, messages: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 3, 0, 0))
    for name in ("id", "when", "bytes", "retry", "reason"):
        table.add_column(name, justify="right" if name == "bytes" else "left", no_wrap=name != "reason")
    for message in messages:
        when = wording.age(message["at"], session.now()) if message["at"] else "–"
        retry = "yes" if message["retry"] else "no"
        size = f"{message['body_bytes']:,}"
        table.add_row(message["id"][:SHOWN_ID], when, size, retry, message["reason"][:SHOWN_REASON])
    return table
