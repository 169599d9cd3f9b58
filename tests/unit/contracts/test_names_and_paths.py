"""Names, paths and states: deterministic, inside Azure's limits, and without gaps."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropscore.contracts import identity, layout
from dropscore.contracts.failures import CODES, Code, failure
from dropscore.contracts.names import LANE_QUEUES, Account, ContainerName, Lane, QueueName, Role
from dropscore.contracts.plan import SHARDS_PER_PAGE
from dropscore.contracts.run import TRANSITIONS, RunStatus, may_follow

LONGEST_RUN_ID = "a" * 48


def test_every_code_has_one_sentence_and_one_next_action() -> None:
    assert set(CODES) == set(Code)
    for entry in CODES.values():
        assert entry.meaning.endswith(".")
        assert entry.action.endswith(".")


def test_a_failure_takes_the_sentence_of_its_code_unless_given_a_better_one() -> None:
    assert failure(Code.INPUT_EMPTY).message == CODES[Code.INPUT_EMPTY].meaning
    assert failure(Code.INPUT_EMPTY, "film.mp4 has no bytes.").message == "film.mp4 has no bytes."


def test_every_status_is_reachable_and_endings_end() -> None:
    reachable, frontier = {RunStatus.PENDING}, [RunStatus.PENDING]
    while frontier:
        for following in TRANSITIONS[frontier.pop()] - reachable:
            reachable.add(following)
            frontier.append(following)
    assert reachable == set(RunStatus)
    assert {status for status in RunStatus if status.ended} == {
        RunStatus.SUCCEEDED, RunStatus.SUCCEEDED_WITH_GAPS, RunStatus.FAILED, RunStatus.CANCELLED, RunStatus.REJECTED,
    }  # fmt: skip


@pytest.mark.parametrize("status", [status for status in RunStatus if not status.ended])
def test_whatever_has_not_ended_can_fail_or_be_cancelled(status: RunStatus) -> None:
    assert may_follow(status, RunStatus.FAILED)
    assert may_follow(status, RunStatus.CANCELLED)


def test_a_status_never_goes_back() -> None:
    assert not may_follow(RunStatus.SCORING, RunStatus.PLANNING)
    assert not may_follow(RunStatus.CANCELLED, RunStatus.SUCCEEDED)


def test_users_never_touch_the_system_account() -> None:
    touched = {name for name in ContainerName if name.account is Account.DATA}
    assert touched == {ContainerName.TRIGGERS, ContainerName.REJECTED, ContainerName.INPUTS, ContainerName.OUTPUTS}
    of_the_host = {QueueName.BLOB_TRIGGER_POISON, QueueName.BLOB_TRIGGER_POISON_POISON}
    assert {queue for queue in QueueName if queue.account is Account.DATA} == of_the_host


def test_workers_look_at_urgent_first() -> None:
    assert list(LANE_QUEUES) == [Lane.URGENT, Lane.NORMAL, Lane.OFFPEAK]


@given(name=st.text(min_size=1, max_size=80), etag=st.text(max_size=20))
def test_a_run_id_fits_every_azure_name(name: str, etag: str) -> None:
    run_id = identity.run_id_of_trigger("dropscoredata", name, etag)
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]{2,47}", run_id)


def test_the_same_trigger_version_gives_the_same_run_and_another_version_another() -> None:
    first = identity.run_id_of_trigger("data", "a/film night.json", '"0x8D"')
    assert first == identity.run_id_of_trigger("data", "a/film night.json", "0x8D")
    assert first.startswith("film-night-")
    assert first != identity.run_id_of_trigger("data", "a/film night.json", "0x8E")


@pytest.mark.parametrize("role", list(Role))
def test_the_longest_run_id_still_gives_a_valid_group_and_task(role: Role) -> None:
    assert len(identity.container_group_name(LONGEST_RUN_ID, role, 10)) <= 63
    assert len(identity.worker_task_id(LONGEST_RUN_ID, 99_999, 999)) <= 64


@pytest.mark.parametrize(("shard_id", "page"), [(0, 1), (SHARDS_PER_PAGE - 1, 1), (SHARDS_PER_PAGE, 2), (99_999, 100)])
def test_a_shard_stands_on_the_page_its_number_says(shard_id: int, page: int) -> None:
    assert layout.page_of(shard_id) == page


def test_verdicts_list_in_shard_order() -> None:
    names = [layout.verdict("run-1", shard_id).name for shard_id in (0, 9, 10, 99, 100_000 - 1)]
    assert names == sorted(names)


def test_a_refused_trigger_is_never_written_back_among_the_triggers() -> None:
    assert str(layout.rejected("night/a.json")) == "rejected/night/a.json"
    assert str(layout.rejected("frames")) == "rejected/frames.json"
