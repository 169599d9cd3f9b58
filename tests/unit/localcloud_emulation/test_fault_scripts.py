"""A script of faults does the same again for the same seed, rule by rule."""

import pytest
from pydantic import ValidationError

from localcloud.emulation.faults import FaultEvent, FaultKind, Faults, Rule, Script

KILL = Rule(on=FaultEvent.TASK_STARTED, do=FaultKind.KILL, after_s=(0.5, 3.0), times=None, chance=0.5)


def acts(script: Script, subjects: list[str]) -> list[list[float]]:
    faults = Faults(script)
    return [[fault.after_s for fault in faults.at(FaultEvent.TASK_STARTED, subject)] for subject in subjects]


def test_the_same_seed_gives_the_same_faults():
    script = Script(seed=7, rules=(KILL,))
    first = acts(script, ["t"] * 50)
    assert first == acts(script, ["t"] * 50)
    assert first != acts(Script(seed=8, rules=(KILL,)), ["t"] * 50)
    assert 10 < sum(map(len, first)) < 40
    assert all(0.5 <= delay <= 3.0 for found in first for delay in found)


def test_what_one_rule_draws_is_not_changed_by_another_nor_by_other_events():
    alone = acts(Script(seed=7, rules=(KILL,)), ["t"] * 20)
    other = Rule(on=FaultEvent.NODE_READY, do=FaultKind.EVICT, times=None, chance=0.5)
    faults = Faults(Script(seed=7, rules=(KILL, other)))
    mixed = []
    for _ in range(20):
        faults.at(FaultEvent.NODE_READY, "n")
        mixed.append([fault.after_s for fault in faults.at(FaultEvent.TASK_STARTED, "t")])
    assert mixed == alone


def test_a_rule_skips_then_acts_so_often_on_what_it_matches():
    rule = Rule(on=FaultEvent.TASK_STARTED, do=FaultKind.KILL, match="worker-*", skip=1, times=2)
    subjects = ["other", "worker-1", "worker-2", "other", "worker-3", "worker-4"]
    assert [len(found) for found in acts(Script(rules=(rule,)), subjects)] == [0, 0, 1, 0, 1, 0]


def test_a_new_script_begins_from_its_start():
    script = Script(rules=(Rule(on=FaultEvent.TASK_STARTED, do=FaultKind.KILL),))
    faults = Faults(script)
    assert faults.at(FaultEvent.TASK_STARTED, "t")
    assert not faults.at(FaultEvent.TASK_STARTED, "t")
    faults.begin(script)
    assert faults.at(FaultEvent.TASK_STARTED, "t")


@pytest.mark.parametrize(
    "text",
    [
        '{"rules": [{"on": "nothing", "do": "kill"}]}',
        '{"rules": [{"on": "request", "do": "kill", "chance": 2}]}',
        '{"rules": [{"on": "request", "do": "kill", "oops": 1}]}',
        '{"rules": [{"on": "request", "do": "delay", "after_s": [0, -1]}]}',
    ],
)
def test_a_script_that_says_nonsense_is_refused(text):
    with pytest.raises(ValidationError):
        Script.model_validate_json(text)
