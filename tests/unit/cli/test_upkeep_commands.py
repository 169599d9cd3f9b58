"""`dropscore suspend`, `resume`, `rewind`, `delete`, `sweep` and `poison`."""

import json
from typing import Any

import pytest
from small_cloud import SmallCloud, state_of

from dropscore.cli.client import RefusedError
from dropscore.cli.inspect import cancel_run, list_runs, show_run
from dropscore.cli.poison import drop_poison, list_poison, retry_poison, show_poison
from dropscore.cli.steering import delete_run, resume_run, rewind_run, suspend_run
from dropscore.cli.sweeping import show_sweep
from dropscore.cloud.run_index import RunIndex
from dropscore.contracts import layout
from dropscore.contracts.codec import encode_bytes
from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code, failure
from dropscore.contracts.messages import poison_record
from dropscore.contracts.names import QueueName
from dropscore.contracts.plan import ShardMessage, ShardSpec
from dropscore.contracts.run import RunStatus

NIGHT = "film-night-3f9a0c1d2e4b5a67"
NORMAL, POISON = QueueName.SHARDS_NORMAL, QueueName.SHARDS_NORMAL_POISON
GOOD = encode_bytes(ShardMessage(run_id=NIGHT, shard=ShardSpec(shard_id=1, input_index=0, first_item=0, items=1)))


def end(cloud: SmallCloud, status: RunStatus, **facts: Any) -> None:
    """A run that has ended, clean."""
    state = state_of(NIGHT, status, **facts)
    cloud.put_run(state)
    RunIndex(cloud.memory.blobs).put(state, cleaned=True)


def put_aside(cloud: SmallCloud, body: bytes, reason: str = "ShardMessage: line 1 column 1: Expecting value") -> None:
    record = poison_record(NORMAL, reason, body, worker="w1", at=cloud.clock.now())
    cloud.memory.queue.send(POISON, record)


@pytest.mark.fault(50)
def test_a_run_is_suspended_shown_so_and_resumed(cloud: SmallCloud) -> None:
    cloud.put_run(state_of(NIGHT, RunStatus.SCORING))
    session = cloud.session()
    suspend_run(session.session, "film-night")
    assert session.out == f"{NIGHT} is suspended. Go on with: dropscore resume {NIGHT}\n"
    shown = cloud.session()
    show_run(shown.session, NIGHT)
    list_runs(shown.session, status=None, workload=None, most=5)
    assert shown.out.count("● scoring, suspended") == 2
    again = cloud.session()
    suspend_run(again.session, NIGHT)
    assert "is suspended already." in again.out
    resumed = cloud.session()
    resume_run(resumed.session, NIGHT)
    resume_run(resumed.session, NIGHT)
    assert resumed.out.splitlines() == [f"{NIGHT} goes on.", f"{NIGHT} is not suspended: it goes on as it did."]


@pytest.mark.fault(50)
def test_cancelling_after_the_end_says_what_there_is(cloud: SmallCloud) -> None:
    end(cloud, RunStatus.CANCELLED)
    session = cloud.session()
    cancel_run(session.session, NIGHT)
    assert session.out == f"{NIGHT} is cancelled already.\n"
    end(cloud, RunStatus.SUCCEEDED)
    with pytest.raises(RefusedError) as refused:
        cancel_run(session.session, NIGHT)
    assert refused.value.failure.code is Code.RUN_ENDED


@pytest.mark.fault(54)
def test_a_failed_run_is_rewound(cloud: SmallCloud) -> None:
    end(cloud, RunStatus.FAILED, failure=failure(Code.RUN_STALLED))
    session = cloud.session()
    rewind_run(session.session, NIGHT)
    assert f"{NIGHT} goes on from where it failed. Watch it with: dropscore watch {NIGHT}" in session.out
    shown = cloud.session()
    show_run(shown.session, NIGHT)
    assert "rewound" in shown.out


def test_a_run_is_deleted_and_then_says_so(cloud: SmallCloud) -> None:
    end(cloud, RunStatus.SUCCEEDED)
    session = cloud.session()
    delete_run(session.session, "film-night", asked=False)
    assert session.out.startswith(f"{NIGHT} is deleted.")
    delete_run(session.session, NIGHT, asked=False)
    with pytest.raises(RefusedError) as refused:
        show_run(session.session, NIGHT)
    assert refused.value.failure.code is Code.RUN_DELETED


def test_a_run_under_way_is_not_deleted(cloud: SmallCloud) -> None:
    cloud.put_run(state_of(NIGHT, RunStatus.SCORING))
    with pytest.raises(RefusedError) as refused:
        delete_run(cloud.session().session, NIGHT, asked=False)
    assert refused.value.failure.code is Code.RUN_UNDER_WAY


def test_a_sweep_is_made_and_shown(cloud: SmallCloud) -> None:
    session = cloud.session()
    show_sweep(session.session, now=False)
    assert "There has been no sweep yet." in session.err
    cloud.memory.blobs.put(layout.trigger("missed.json"), b'{"workload": "style_transfer", "inputs": ["a.mp4"]}')
    cloud.clock.advance(60)
    session = cloud.session()
    show_sweep(session.session, now=True)
    assert "trigger started" in session.out
    assert "missed.json" in session.out
    assert "1 triggers" in session.out
    cloud.clock.advance(60)
    session = cloud.session()
    show_sweep(session.session, now=True)
    assert "Nothing was amiss." in session.out
    assert "earlier" in session.out
    as_json = cloud.session(as_json=True)
    show_sweep(as_json.session, now=False)
    assert json.loads(as_json.out)["sweep"]["complete"] is True


def test_unreadable_messages_are_listed_and_shown(cloud: SmallCloud) -> None:
    session = cloud.session()
    list_poison(session.session)
    assert "There are no unreadable messages." in session.out
    for number in range(40):
        put_aside(cloud, b"junk %d" % number)
    cloud.clock.advance(120)
    session = cloud.session()
    list_poison(session.session)
    assert f"{POISON}  40 messages" in session.out
    assert "Expecting value" in session.out
    assert "2 min ago" in session.out
    assert "… and 8 more" in session.out
    session = cloud.session()
    show_poison(session.session, "normal", "m0")
    assert "junk 0" in session.out
    assert "no: It still cannot be read" in session.out


def test_a_message_is_dropped_or_sent_again(cloud: SmallCloud) -> None:
    cloud.put_run(state_of(NIGHT, RunStatus.SCORING))
    put_aside(cloud, b"junk")
    put_aside(cloud, GOOD)
    session = cloud.session()
    retry_poison(session.session, "shards-normal", "m1", every=False)
    drop_poison(session.session, POISON, "m0", every=False)
    assert session.out.splitlines() == ["m1 is on its queue again.", "m0 is dropped."]
    assert cloud.memory.queue.bodies(NORMAL) == [GOOD]
    assert cloud.memory.queue.bodies(POISON) == []


def test_a_whole_queue_is_sent_again_and_the_rest_dropped(cloud: SmallCloud) -> None:
    cloud.put_run(state_of(NIGHT, RunStatus.SCORING))
    for number in range(100):
        put_aside(cloud, GOOD if number % 2 else b"junk")
    session = cloud.session()
    retry_poison(session.session, "normal", None, every=True)
    assert "50 messages sent again, 50 left." in session.out
    assert "E-MESSAGE-MALFORMED" in session.out
    drop_poison(session.session, "normal", None, every=True)
    assert "50 messages dropped, 0 left." in session.out


def test_a_message_has_to_be_named(cloud: SmallCloud) -> None:
    with pytest.raises(FailedError) as refused:
        drop_poison(cloud.session().session, "normal", None, every=False)
    assert refused.value.failure.action == "Give an id, or --all."
