"""What is news in a state, and when it is so."""

import itertools
from typing import Any

import pytest

from activities.webhooks.announcing import is_so, news_of
from dropscore.contracts.codec import encode_bytes
from dropscore.contracts.http.webhooks import WebhookEvent
from dropscore.contracts.request import RunSource
from dropscore.contracts.run import RunState, RunStatus
from dropscore.contracts.webhooks import MAX_BYTES, RunNews

RUN = "film-0123456789abcdef"
AT = "2026-01-01T00:00:00.000000Z"
ENDINGS = [status for status in RunStatus if status.ended]


def state(status: RunStatus = RunStatus.SCORING, **facts: Any) -> RunState:
    source = RunSource(kind="http", tenant=facts.pop("tenant", None))
    return RunState(run_id=RUN, status=status, source=source, created_at=AT, updated_at=AT, **facts)


def told(before: RunState, after: RunState) -> list[tuple[str, int]]:
    return [(str(news.event), news.items_failed) for news in news_of(before, after, AT)]


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_end_is_news_and_nothing_before_it(ending: RunStatus) -> None:
    assert told(state(RunStatus.PLANNING), state(RunStatus.SCORING, items_done=5)) == []
    (news,) = news_of(state(), state(ending, outputs=("a.mp4",)), AT)
    assert (news.event, news.status, news.has_outputs) == (WebhookEvent.RUN_FINISHED, ending, True)
    assert told(state(ending), state(ending, detail="x")) == []


def test_failures_are_told_when_they_double_and_all_of_them_at_the_end() -> None:
    states = [state(items_failed=failed) for failed in range(21)]
    pairs = itertools.pairwise(states)
    assert [failed for pair in pairs for _, failed in told(*pair)] == [1, 2, 4, 8, 16]
    end = state(RunStatus.SUCCEEDED_WITH_GAPS, items_failed=20)
    assert told(states[20], end) == [("items.quarantined", 20), ("run.finished", 20)]


def test_the_same_news_has_the_same_id_and_other_news_another() -> None:
    end = state(RunStatus.FAILED, items_failed=3)
    first, second = news_of(state(), end, AT), news_of(state(items_failed=1), end, "later")
    assert [one.id for one in first] == [one.id for one in second]
    again = news_of(state(rewinds=1), state(RunStatus.FAILED, items_failed=3, rewinds=1), AT)
    assert again[0].id == first[0].id, "as many items as before"
    assert again[1].id != first[1].id, "a run that was rewound ends once more"


def test_message_is_small_whatever_the_run_is_called() -> None:
    end = state(RunStatus.SUCCEEDED_WITH_GAPS, workload="w" * 64, items_failed=10**9, tenant="t" * 64)
    for news in news_of(state(), end.model_copy(update={"run_id": "r" * 48}), AT):
        assert len(encode_bytes(news)) < MAX_BYTES / 2


def news(status: RunStatus, **facts: Any) -> RunNews:
    return news_of(state(**facts), state(status, **facts), AT)[-1]


@pytest.mark.parametrize(
    ("written", "so"),
    [
        (state(RunStatus.FAILED), True),
        (state(RunStatus.SCORING), None),
        (state(RunStatus.CANCELLED), False),
        (state(RunStatus.PENDING, rewinds=1), True),
        (None, True),
    ],
)
def test_end_is_so_when_it_is_written_or_was(written: RunState | None, so: bool | None) -> None:
    assert is_so(news(RunStatus.FAILED), written) is so


def test_failures_are_so_when_as_many_are_written() -> None:
    (announced,) = news_of(state(), state(items_failed=4), AT)
    assert is_so(announced, state(items_failed=3)) is None
    assert is_so(announced, state(items_failed=4)) is True
    assert is_so(announced, state(RunStatus.FAILED, items_failed=9)) is True
