"""Says what happens to runs, on the queue `webhooks`, before it is written: see `telling` for what becomes of it.

A run's end is news. So are items that fail for good, when the first one does, whenever their number has doubled since,
and once more, with all of them, when the run ends: a run with a hundred thousand bad items is told of eighteen times.
"""

from dropscore.cloud.ports import Cloud
from dropscore.contracts.codec import encode_bytes
from dropscore.contracts.names import QueueName
from dropscore.contracts.run import RunState
from dropscore.contracts.webhooks import RunNews, finished, quarantined


class Announcer:
    """Puts news on the queue."""

    def __init__(self, cloud: Cloud) -> None:
        self._queue = cloud.queue
        self._clock = cloud.clock

    def announce(self, before: RunState, after: RunState) -> None:
        """Say what there will be to tell once `after` is written over `before`.

        Raises what storage does: then the state is not to be written, and whoever tries that again says so again.
        """
        for news in news_of(before, after, self._clock.now()):
            self._queue.send(QueueName.WEBHOOKS, encode_bytes(news))


def news_of(before: RunState, after: RunState, at: str) -> tuple[RunNews, ...]:
    """What is new in a state."""
    ends = after.status.ended and not before.status.ended
    more = after.items_failed.bit_length() > before.items_failed.bit_length()
    news = (quarantined(after, at),) if more or (ends and after.items_failed) else ()
    return (*news, finished(after, at)) if ends else news


def is_so(news: RunNews, state: RunState | None) -> bool | None:
    """Whether news is true by what is written of the run (None: it was deleted). None: not yet, and perhaps never."""
    if state is None or state.rewinds > news.rewinds:
        return True  # it has ended since, so it came to all that could be announced of it
    if state.items_failed < news.items_failed:
        return None
    if not news.status.ended:
        return True
    if not state.status.ended:
        return None
    return state.status is news.status
