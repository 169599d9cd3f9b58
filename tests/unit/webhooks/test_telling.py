"""From a state that is written to what a receiver gets, over the cloud in memory."""

import asyncio
import itertools
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from activities.states import RunStates
from activities.webhooks import telling
from activities.webhooks.telling import RetryPlan, Webhooks
from dropscore.cloud.clock import ManualClock
from dropscore.cloud.courier import Letter
from dropscore.cloud.memory import MemoryCloud, memory_cloud
from dropscore.cloud.memory_courier import MemoryCourier
from dropscore.cloud.patience import Patience
from dropscore.cloud.subscriptions import Subscriptions
from dropscore.contracts import layout
from dropscore.contracts.codec import decode, encode_bytes
from dropscore.contracts.errors import TransientCloudError
from dropscore.contracts.http.webhooks import Notification, WebhookEvent
from dropscore.contracts.messages import original_of, read_news, read_poison
from dropscore.contracts.names import QueueName
from dropscore.contracts.request import RunRecord, RunSource
from dropscore.contracts.run import RunState, RunStatus
from dropscore.contracts.signatures import EVENT, ID, SIGNATURE, verify
from dropscore.contracts.webhooks import Subscription, Told

RUN = "film-0123456789abcdef"
PLAN = RetryPlan(attempts=4, first_s=1, growth=3, most_s=5, looks=3)
SECRET = "whsec_secret"


class House:
    """A run, its states, and whoever tells of it."""

    def __init__(self) -> None:
        self.clock = ManualClock("2026-11-30T22:00:00.000000Z")
        self.memory: MemoryCloud = memory_cloud(self.clock)
        self.courier = MemoryCourier(receivers={"hooks.example.com": lambda _: 204})
        self.webhooks = Webhooks(self.memory.cloud, self.courier, PLAN)
        self.states = RunStates(self.memory.cloud)
        self.subscriptions = Subscriptions(self.memory.blobs)

    def ask(self, run_id: str = RUN, tenant: str | None = None) -> None:
        source = RunSource(kind="http", tenant=tenant)
        record = RunRecord(
            run_id=run_id, source=source, created_at=self.clock.now(), body="{}", body_bytes=2, body_sha256=None
        )
        self.memory.blobs.put(layout.request(run_id), encode_bytes(record))

    def subscribe(self, number: int = 1, **facts: Any) -> Subscription:
        subscription = Subscription(
            **{
                "id": f"wh-{number:024x}",
                "url": f"https://hooks.example.com/{number}?sig=hidden",
                "events": (WebhookEvent.RUN_FINISHED,),
                "created_at": self.clock.now(),
                "secret": SECRET,
                "api": "https://api.example.com/api/v1",
                **facts,
            }
        )
        self.subscriptions.add(subscription)
        return subscription

    def enter(self, status: RunStatus, run_id: str = RUN, **facts: Any) -> RunState:
        return self.states.change(run_id, self.states.enter(status, **facts))

    def deliver(self, *, hours: float = 0) -> int:
        """Handle every message that is visible, and those that become so within some hours; returns how many."""
        handled, until = 0, self.clock.monotonic() + hours * 3600
        while True:
            messages = self.memory.queue.receive(QueueName.WEBHOOKS, count=32, lease_s=60)
            for message in messages:
                asyncio.run(self.webhooks.handle(read_news(message.body)))
                self.memory.queue.delete(message)
                handled += 1
            if not messages:
                if self.clock.monotonic() >= until:
                    return handled
                self.clock.advance(1)

    def answer(self, *statuses: int) -> None:
        """The receiver answers so, one after the other, and 204 from then on."""
        left = list(statuses)
        self.courier.receivers["hooks.example.com"] = lambda _: left.pop(0) if left else 204

    def told(self) -> list[Notification]:
        return [decode(Notification, letter.body) for letter in self.courier.letters]

    def poison(self) -> list[bytes]:
        return self.memory.queue.bodies(QueueName.WEBHOOKS_POISON)


@pytest.fixture
def house() -> House:
    house = House()
    house.ask()
    return house


def test_end_of_a_run_is_told_signed_with_addresses(house: House) -> None:
    house.subscribe()
    house.enter(RunStatus.SUCCEEDED, items_total=5, items_done=5, outputs=("a.mp4",))
    house.deliver()
    (letter,) = house.courier.letters
    (news,) = house.told()
    assert (news.event, news.run_id, news.status, news.items_done) == ("run.finished", RUN, "succeeded", 5)
    assert news.run == f"https://api.example.com/api/v1/runs/{RUN}"
    assert news.results == f"{news.run}/outputs"
    assert not news.test
    assert (letter.headers[ID], letter.headers[EVENT]) == (news.id, "run.finished")
    assert letter.url == "https://hooks.example.com/1?sig=hidden"
    verify(SECRET, letter.headers[SIGNATURE], letter.body, 1_796_076_000)


def test_news_is_on_the_queue_before_the_state_is_written(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    put = house.memory.blobs.create

    def watched(path: Any, *given: Any, **more: Any) -> bool:
        if path == layout.state(RUN):
            seen.append(len(house.memory.queue.bodies(QueueName.WEBHOOKS)))
        return put(path, *given, **more)

    monkeypatch.setattr(house.memory.blobs, "create", watched)
    house.enter(RunStatus.FAILED)
    assert seen == [1]


def test_state_is_not_written_while_its_news_cannot_be_put(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.subscribe()

    def refuse(*given: Any, **more: Any) -> None:
        raise TransientCloudError("no queue")

    with monkeypatch.context() as patch:
        patch.setattr(house.memory.queue, "send", refuse)
        with pytest.raises(TransientCloudError):
            house.enter(RunStatus.FAILED)
        assert house.states.read(RUN).status is RunStatus.PENDING
    house.enter(RunStatus.FAILED)
    house.deliver()
    assert [news.status for news in house.told()] == ["failed"]


def test_host_that_dies_between_news_and_state_loses_nothing_and_tells_nothing_untrue(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.subscribe()

    def die(*given: Any, **more: Any) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(house.memory.blobs, "create", die)
        with pytest.raises(KeyboardInterrupt):
            house.enter(RunStatus.FAILED)
    house.deliver()
    assert house.told() == [], "it is not so, yet"
    house.enter(RunStatus.FAILED)
    house.deliver(hours=1)
    assert [news.status for news in house.told()] == ["failed"]


def test_end_that_another_one_overtook_is_not_told(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.subscribe()
    create = house.memory.blobs.create

    def overtaken(path: Any, *given: Any, **more: Any) -> bool:
        if path == layout.state(RUN):
            monkeypatch.undo()
            RunStates(house.memory.cloud).change(RUN, house.states.enter(RunStatus.CANCELLED))
        return create(path, *given, **more)

    monkeypatch.setattr(house.memory.blobs, "create", overtaken)
    assert house.enter(RunStatus.FAILED).status is RunStatus.CANCELLED
    house.deliver(hours=1)
    assert [news.status for news in house.told()] == ["cancelled"]


def test_announcement_of_what_never_came_to_be_ends_by_itself(house: House) -> None:
    house.subscribe()
    house.enter(RunStatus.FAILED)
    house.memory.blobs.delete(layout.state(RUN))
    assert house.deliver(hours=1) == PLAN.looks
    assert house.told() == []
    assert house.memory.queue.bodies(QueueName.WEBHOOKS) == []


def test_doubled_news_is_told_once(house: House) -> None:
    house.subscribe()
    house.enter(RunStatus.FAILED)
    (message,) = house.memory.queue.bodies(QueueName.WEBHOOKS)
    for _ in range(3):
        house.memory.queue.send(QueueName.WEBHOOKS, message)
    house.deliver()
    assert len(house.told()) == 1
    news = house.told()[0]
    told = decode(Told, house.memory.blobs.get(layout.told(RUN, news.id, f"wh-{1:024x}")).data)
    assert (told.status, told.tries) == (204, 1)


def test_news_goes_to_those_alone_who_want_it(house: House) -> None:
    house.ask("other-run", tenant="b")
    wanting = [
        {},
        {"run_id": RUN},
        {"run_id": "another-run"},
        {"workload": "style_transfer"},
        {"workload": "pose_estimation"},
        {"events": (WebhookEvent.ITEMS_QUARANTINED,)},
        {"tenant": "a"},
        {"tenant": "b"},
    ]
    for number, facts in enumerate(wanting):
        house.subscribe(number, **facts)
    house.enter(RunStatus.FAILED, workload="style_transfer")
    house.deliver()
    assert sorted(letter.url[26] for letter in house.courier.letters) == ["0", "1", "3"]
    house.courier.letters.clear()
    house.enter(RunStatus.FAILED, "other-run")
    house.deliver()
    assert sorted(letter.url[26] for letter in house.courier.letters) == ["0", "7"], "the tenant's own, and everybody's"


def test_letter_nobody_takes_is_sent_again_later_and_later_and_signed_anew(house: House) -> None:
    house.subscribe()
    times: list[str] = []

    def receive(letter: Letter) -> int:
        times.append(house.clock.now())
        verify(SECRET, letter.headers[SIGNATURE], letter.body, 1_796_076_000 + house.clock.monotonic(), tolerance_s=1)
        return 503 if len(times) < 4 else 200

    house.courier.receivers["hooks.example.com"] = receive
    house.enter(RunStatus.FAILED)
    house.deliver(hours=1)
    assert len(times) == 4
    assert len({letter.headers[ID] for letter in house.courier.letters}) == 1
    assert len({letter.headers[SIGNATURE] for letter in house.courier.letters}) == 4
    seconds = [float(time[17:26]) for time in times]
    pauses = [round(b - a, 3) for a, b in itertools.pairwise(seconds)]
    assert [0.75 <= pauses[0] <= 2, 2 <= pauses[1] <= 4, 3.75 <= pauses[2] <= 6] == [True] * 3
    assert house.poison() == []


@pytest.mark.parametrize("status", [100, 301, 302, 307, 400, 404, 500, 503])
def test_after_the_last_try_it_is_put_aside_with_the_reason_and_can_be_retried(house: House, status: int) -> None:
    house.subscribe()
    house.answer(*[status] * PLAN.attempts)
    house.enter(RunStatus.FAILED)
    house.deliver(hours=1)
    assert len(house.courier.letters) == PLAN.attempts
    (text,) = house.poison()
    record = read_poison(QueueName.WEBHOOKS_POISON, text)
    assert record.reason == f"hooks.example.com: the receiver answered {status}; that was attempt 4, the last."
    assert "hidden" not in text.decode()
    body = original_of(record)
    assert body is not None
    house.memory.queue.send(QueueName.WEBHOOKS, body)
    house.deliver()
    assert len(house.courier.letters) == PLAN.attempts + 1, "one more, which was taken"
    assert read_news(body).tries == 0


def test_receiver_that_cannot_be_reached_is_a_failure_like_any(house: House) -> None:
    house.courier.receivers.clear()
    house.subscribe()
    house.enter(RunStatus.FAILED)
    house.deliver(hours=1)
    (text,) = house.poison()
    assert "could not be reached" in json.loads(text)["reason"]


@pytest.mark.fault(58)
def test_target_that_became_private_since_is_not_called(house: House) -> None:
    house.subscribe()
    house.courier.addresses["hooks.example.com"] = ("169.254.169.254",)
    house.enter(RunStatus.FAILED)
    house.deliver(hours=1)
    assert house.courier.letters == []
    assert "not allowed" in json.loads(house.poison()[0])["reason"]


def test_receiver_that_is_gone_ends_its_webhook(house: House) -> None:
    subscription = house.subscribe()
    house.answer(410)
    house.enter(RunStatus.FAILED)
    house.deliver(hours=1)
    assert len(house.courier.letters) == 1
    assert house.subscriptions.get(subscription.id) is None
    assert house.poison() == []


def test_what_waits_for_a_deleted_webhook_is_dropped(house: House) -> None:
    subscription = house.subscribe()
    house.answer(500)
    house.enter(RunStatus.FAILED)
    house.deliver()
    house.subscriptions.remove(subscription)
    house.deliver(hours=1)
    assert len(house.courier.letters) == 1
    assert house.poison() == []


def test_one_receiver_that_is_down_keeps_nobody_waiting(house: House) -> None:
    house.subscribe(1, url="https://down.example.com/")
    house.subscribe(2)
    house.enter(RunStatus.FAILED)
    house.deliver()
    assert [letter.url for letter in house.courier.letters] == ["https://hooks.example.com/2?sig=hidden"]


def test_run_that_was_deleted_meanwhile_is_told_of_and_nothing_is_left_below_it(house: House) -> None:
    house.subscribe()
    house.enter(RunStatus.FAILED)
    record = decode(RunRecord, house.memory.blobs.get(layout.request(RUN)).data)
    deleted = record.model_copy(update={"deleted_at": house.clock.now(), "body": None})
    house.memory.blobs.put(layout.request(RUN), encode_bytes(deleted))
    house.memory.blobs.delete(layout.state(RUN))
    house.deliver(hours=1)
    assert [news.status for news in house.told()] == ["failed"]
    assert [info.path for info in house.memory.blobs.list(layout.run_prefix(RUN))] == [layout.request(RUN)]


def test_rewound_run_ends_twice_and_is_told_of_twice(house: House) -> None:
    house.subscribe()
    house.enter(RunStatus.FAILED)
    rewound = {"status": RunStatus.PENDING, "rewinds": 1}
    house.states.rewind(RUN, lambda state: state.model_copy(update=rewound))
    house.enter(RunStatus.SUCCEEDED)
    house.deliver(hours=1)
    assert [news.status for news in house.told()] == ["failed", "succeeded"]
    assert len({news.id for news in house.told()}) == 2


def test_storage_that_does_not_answer_is_waited_for(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telling, "PATIENCE", Patience(within_s=5, first_s=0.001, most_s=0.001))
    house.subscribe()
    house.enter(RunStatus.FAILED)
    faults = iter([True, True, False, True])
    for name in ("get", "head", "create"):
        monkeypatch.setattr(house.memory.blobs, name, sometimes(getattr(house.memory.blobs, name), faults))
    house.deliver()
    assert len(house.told()) == 1


def sometimes(do: Callable[..., Any], faults: Any) -> Callable[..., Any]:
    lock = threading.Lock()

    def done(*given: Any, **more: Any) -> Any:
        with lock:
            fails = next(faults, False)
        if fails:
            raise TransientCloudError("not now")
        return do(*given, **more)

    return done


def test_pauses_by_default_add_up_to_hours() -> None:
    plan = RetryPlan()
    longest = [plan.pause_s(tries, draw=lambda: 0.0) for tries in range(1, plan.attempts)]
    assert longest == [5, 15, 45, 135, 405, 1215, 3600, 3600, 3600]
    assert plan.pause_s(1, draw=lambda: 1.0) == 3.75
    assert sum(plan.look_s(looks) for looks in range(1, plan.looks)) > 120
