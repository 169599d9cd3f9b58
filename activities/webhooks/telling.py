"""Tells subscribers what happened to runs.

    news                       1. looks whether it is so; if not yet, looks again later
                               2. becomes one message for each subscription that wants it
    news for a subscription    3. is one letter; if nobody takes it, it is sent again, later and later
                               4. goes to `webhooks-poison` with the reason after the last try

Any message may come twice, and any step may stop half-way: what a subscriber took is on record below the run, and is
not sent again. Only between a receiver's answer and that record can a letter be doubled; its id is then the same.
"""

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from activities.states import RunStates, read_record
from activities.webhooks.announcing import is_so
from dropscore.cloud.courier import Courier, Reply
from dropscore.cloud.letters import letter_of, notification_of
from dropscore.cloud.patience import lasting, patiently
from dropscore.cloud.ports import Cloud
from dropscore.cloud.subscriptions import Subscriptions
from dropscore.cloud.targets import host_of
from dropscore.contracts import layout
from dropscore.contracts.codec import encode_bytes
from dropscore.contracts.errors import NotFoundError
from dropscore.contracts.messages import poison_record
from dropscore.contracts.names import POISON_QUEUES, QueueName
from dropscore.contracts.run import RunState
from dropscore.contracts.webhooks import RunNews, Subscription, Told

_LOG = logging.getLogger(__name__)
PATIENCE = lasting(200.0)
"""With a storage that does not answer, within the five minutes that a function may take (`host.json`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPlan:
    """When a letter is sent again, and when it is looked again whether news is so. Pauses grow by `growth` from
    `first_s` to `most_s`, each shortened by chance by up to a quarter: by default they add up to about four hours.
    """

    attempts: int = 10
    first_s: float = 5.0
    growth: float = 3.0
    most_s: float = 3600.0
    looks: int = 10
    """Who announces news writes it at once, or announces it anew; after so many looks it never came to be."""
    look_first_s: float = 1.0
    look_most_s: float = 30.0

    def pause_s(self, tries: int, draw: Callable[[], float] = random.random) -> float:
        """The pause after so many tries (1 or more)."""
        longest = min(self.most_s, self.first_s * self.growth ** min(tries - 1, 60))
        return longest * (1 - draw() / 4)

    def look_s(self, looks: int) -> float:
        """The pause after so many looks (1 or more)."""
        return min(self.look_most_s, self.look_first_s * 2.0 ** min(looks - 1, 60))


class Webhooks:
    """Handles the messages of the queue `webhooks`."""

    def __init__(self, cloud: Cloud, courier: Courier, plan: RetryPlan | None = None) -> None:
        self._cloud = cloud
        self._courier = courier
        self._plan = plan or RetryPlan()
        self._states = RunStates(cloud)
        self._subscriptions = Subscriptions(cloud.blobs)

    async def handle(self, news: RunNews) -> None:
        """Do what one message asks for. Waits for a storage that does not answer; a message that is delivered again
        starts from the beginning.
        """
        if news.subscription is None:
            await self._patiently(self._spread, news)
            return
        subscription = await self._patiently(self._subscription, news)
        if subscription is None:
            return
        notification = notification_of(news, subscription)
        at = int(datetime.fromisoformat(self._cloud.clock.now()).timestamp())
        reply = await self._courier.post(letter_of(notification, subscription, at))
        await self._patiently(self._settle, news, subscription, reply)

    async def _patiently[R](self, step: Callable[..., R], *given: object) -> R:
        """Take a step that touches storage, on a thread."""

        async def take() -> R:
            return await asyncio.to_thread(step, *given)

        return await patiently(take, PATIENCE, clock=self._cloud.clock.monotonic, pause=asyncio.sleep)

    def _spread(self, news: RunNews) -> None:
        """News becomes one message for each who wants it."""
        so = is_so(news, self._state(news.run_id))
        if so is None and news.tries + 1 < self._plan.looks:
            later = news.model_copy(update={"tries": news.tries + 1})
            self._send(later, delay_s=self._plan.look_s(later.tries))
        elif so:
            for subscription in self._subscriptions.who_want(news):
                self._send(news.model_copy(update={"subscription": subscription, "tries": 0}))
        else:
            _say("News was announced that never came to be.", news, "news_dropped")

    def _subscription(self, news: RunNews) -> Subscription | None:
        """To whom news goes; None when they do not want it any more, or have it."""
        name = news.subscription or ""
        if self._cloud.blobs.head(layout.told(news.run_id, news.id, name)) is not None:
            return None
        return self._subscriptions.get(name)

    def _settle(self, news: RunNews, subscription: Subscription, reply: Reply) -> None:
        """What follows from an answer."""
        tries = news.tries + 1
        if reply.status is not None and reply.taken:
            self._record(news, subscription, reply.status, tries)
        elif reply.gone:
            self._subscriptions.remove(subscription)
            _say("A receiver is gone; its webhook was deleted.", news, "webhook_ended")
        elif tries < self._plan.attempts:
            later = news.model_copy(update={"tries": tries})
            self._send(later, delay_s=self._plan.pause_s(tries))
        else:
            self._put_aside(news, f"{host_of(subscription.url)}: {reply}; that was attempt {tries}, the last.")

    def _record(self, news: RunNews, subscription: Subscription, status: int, tries: int) -> None:
        _say("A webhook was told.", news, "told", logging.INFO)
        if self._state(news.run_id) is None:
            return  # it was deleted, and nothing is to lie there any more
        told = Told(
            id=news.id,
            subscription=subscription.id,
            run_id=news.run_id,
            at=self._cloud.clock.now(),
            status=status,
            tries=tries,
        )
        self._cloud.blobs.create(layout.told(news.run_id, news.id, subscription.id), encode_bytes(told))

    def _put_aside(self, news: RunNews, reason: str) -> None:
        """Where `dropscore poison retry` finds it: as it was before the first try."""
        body = encode_bytes(news.model_copy(update={"tries": 0}))
        now = self._cloud.clock.now()
        record = poison_record(QueueName.WEBHOOKS, reason, body, worker="function_app", at=now)
        self._cloud.queue.send(POISON_QUEUES[QueueName.WEBHOOKS], record)
        _say(f"A webhook could not be told: {reason}", news, "webhook_given_up")

    def _send(self, news: RunNews, *, delay_s: float = 0.0) -> None:
        self._cloud.queue.send(QueueName.WEBHOOKS, encode_bytes(news), delay_s=delay_s)

    def _state(self, run_id: str) -> RunState | None:
        """What is written of a run; None when it was deleted."""
        try:
            deleted = read_record(self._cloud.blobs, run_id).deleted_at is not None
            return None if deleted else self._states.read(run_id)
        except NotFoundError:
            return None


def _say(sentence: str, news: RunNews, action: str, level: int = logging.WARNING) -> None:
    facts = {"run_id": news.run_id, "news": news.id, "webhook": news.subscription or "", "action": action}
    _LOG.log(level, sentence, extra=facts)
