"""Autoscale formulas, as Microsoft's documentation describes the language."""

import contextlib
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcloud.batch.autoscale.formula import FormulaTooLongError, Targets, compile_formula
from localcloud.batch.autoscale.samples import CAPACITY, History, Sampling
from localcloud.batch.autoscale.syntax import FormulaSyntaxError
from localcloud.batch.autoscale.values import DeallocationOption, EvaluationError

NOW = datetime(2025, 6, 2, 13, 45, 30, tzinfo=UTC)  # a Monday
SECOND = timedelta(seconds=1)
NONE = Targets(dedicated=0, low_priority=0)


def sampling(at: datetime, *, pending: int = 0, nodes: int = 0) -> Sampling:
    return Sampling(
        at=at,
        active_tasks=pending,
        running_tasks=0,
        pending_tasks=pending,
        succeeded_tasks=0,
        failed_tasks=0,
        task_slots_per_node=1,
        current_dedicated_nodes=nodes,
        current_low_priority_nodes=0,
        preempted_nodes=0,
        usable_nodes=nodes,
    )


def history(*pending: int, nodes: int = 0) -> History:
    """One sampling each second, the last one now."""
    found = History(period=SECOND, begun_at=NOW - SECOND * len(pending))
    for age, count in zip(reversed(range(len(pending))), pending, strict=True):
        found.add(sampling(NOW - SECOND * age, pending=count, nodes=nodes))
    return found


def results(text: str, samples: History | None = None, current: Targets = NONE) -> dict[str, str]:
    outcome = compile_formula(text).evaluate(current, samples or history(0), now=NOW, random=Random(1))
    return dict(part.split("=", 1) for part in outcome.results.split(";"))


def value(expression: str, samples: History | None = None) -> str:
    return results(f"x = {expression};", samples)["x"]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("1 + 2 * 3", "7"),
        ("(1 + 2) * 3", "9"),
        ("10 - 4 - 3", "3"),
        ("8 / 4 / 2", "1"),
        ("-2 * -3", "6"),
        ("- -2", "2"),
        ("1e3 + .5", "1000.5"),
        ("1 < 2 && 2 < 3", "1"),
        ("1 + 1 == 2", "1"),
        ("0 || !1", "0"),
        ("1 || 0 && 0", "1"),
        ("2 > 1 ? 10 : 20", "10"),
        ("0 ? 1 : 0 ? 2 : 3", "3"),
        ('"a" == "a"', "1"),
        ("'it' != 'is'", "1"),
        ("time() >= time('2025-06-02T13:45:30Z')", "1"),
        ("TimeInterval_Hour > 59 * TimeInterval_Minute", "1"),
        ("time('2025-01-02') - time('2025-01-01') == TimeInterval_Day", "1"),
        ("(TimeInterval_Week / 7) == TimeInterval_Day", "1"),
        ("time() - TimeInterval_Year < time()", "1"),
        ("time().weekday", "1"),
        ("time().year * 10000 + time().month * 100 + time().day", "20250602"),
        ("time().hour + time().minute + time().second", "88"),
    ],
)
def test_operators_bind_as_in_c(expression, expected):
    assert value(expression) == expected


VECTOR = history(4, 1, 3, 2)
"""`v` below: the samples 4, 1, 3, 2, oldest first."""


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("avg(v)", "2.5"),
        ("len(v)", "4"),
        ("max(v)", "4"),
        ("min(v)", "1"),
        ("sum(v)", "10"),
        ("range(v)", "3"),
        ("std(v)", "1.118033989"),
        ("norm(v)", "5.477225575"),
        ("percentile(v, 50)", "2.5"),
        ("percentile(v, 0)", "1"),
        ("percentile(v, 100)", "4"),
        ("val(v, 0)", "4"),
        ("max(0, min(7, sum(v)))", "7"),
        ("max(v, 9)", "9"),
        ("sum(v, v)", "20"),
        ("v + 1", "[5,2,4,3]"),
        ("v * v", "[16,1,9,4]"),
        ("-v", "[-4,-1,-3,-2]"),
        ("lg(8)", "3"),
        ("ln(1)", "0"),
        ("log(1000)", "3"),
        ("lg(v)", "[2,0,1.584962501,1]"),
        ("rand() < 1", "1"),
    ],
)
def test_functions_work_on_doubles_and_vectors(expression, expected):
    text = f"v = $PendingTasks.GetSample(10); x = {expression};"
    assert results(text, VECTOR)["x"] == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("$PendingTasks.GetSample(1)", "[2]"),
        ("$PendingTasks.GetSample(2)", "[3,2]"),
        ("$PendingTasks.GetSample(TimeInterval_Second)", "[3,2]"),
        ("$PendingTasks.GetSample(TimeInterval_Second * 3, TimeInterval_Second * 2)", "[4,1]"),
        ("$PendingTasks.GetSample(time() - TimeInterval_Second * 3, time() - TimeInterval_Second * 3)", "[4]"),
        ("$PendingTasks.GetSample(TimeInterval_Second * 4, 100)", "[4,1,3,2]"),
        ("$PendingTasks.GetSamplePercent(TimeInterval_Second * 8)", "50"),
        ("$PendingTasks.GetSamplePercent(TimeInterval_Second * 4, TimeInterval_Second * 2)", "100"),
        ("$CPUPercent.GetSamplePercent(TimeInterval_Minute)", "0"),
        ("$PendingTasks.Count()", "4"),
        ("$PendingTasks.GetSamplePeriod() == TimeInterval_Second", "1"),
        ("$PendingTasks.HistoryBeginTime() == time() - 4 * TimeInterval_Second", "1"),
    ],
)
def test_samples_are_taken_by_count_or_time(expression, expected):
    assert value(expression, VECTOR) == expected


def test_current_nodes_are_a_plain_number_and_other_samples_are_not():
    samples = history(5, nodes=3)
    assert value("$CurrentDedicatedNodes + 1", samples) == "4"
    with pytest.raises(EvaluationError, match="GetSample"):
        value("$PendingTasks + 1", samples)


def test_targets_are_whole_nodes_none_at_least_and_stay_when_not_written():
    current = Targets(dedicated=5, low_priority=6)
    found = results("$TargetDedicatedNodes = 2.9;", current=current)
    assert found["$TargetDedicatedNodes"] == "2"
    assert found["$TargetLowPriorityNodes"] == "6"
    assert results("$TargetDedicatedNodes = -3;")["$TargetDedicatedNodes"] == "0"
    assert (
        results("$TargetDedicatedNodes = $TargetDedicatedNodes + 1;", current=current)["$TargetDedicatedNodes"] == "6"
    )


def test_the_full_name_of_a_target_wins_over_its_alias():
    assert results("$TargetDedicated = 3;")["$TargetDedicatedNodes"] == "3"
    assert results("$TargetDedicatedNodes = 4; $TargetDedicated = 3;")["$TargetDedicatedNodes"] == "4"


def test_the_deallocation_option_is_written_without_quotes():
    found = compile_formula("$NodeDeallocationOption = taskcompletion;").evaluate(
        NONE, history(), now=NOW, random=Random(1)
    )
    assert found.targets.option is DeallocationOption.TASK_COMPLETION


def test_comments_line_breaks_and_a_missing_last_semicolon_are_fine():
    text = "// how many\nx = 1 /* and\nnot 2 */ + 1;\n$TargetDedicatedNodes = x"
    assert results(text)["$TargetDedicatedNodes"] == "2"


def test_stop_keeps_what_has_been_assigned_so_far():
    found = results("$TargetDedicatedNodes = 2; y = stop(); $TargetDedicatedNodes = 9;")
    assert found["$TargetDedicatedNodes"] == "2"


def test_a_side_that_is_not_needed_is_not_evaluated():
    assert value("1 ? 2 : 1 / 0") == "2"
    assert value("0 && 1 / 0") == "0"
    assert value("1 || 1 / 0") == "1"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x = 1 +;", "line 1"),
        ("x = 1;\ny = ;", "line 2"),
        ("x 1;", "expected '='"),
        ("x = (1;", "expected '\\)'"),
        ("x = 1 y = 2;", "expected ';'"),
        ("x = #;", "unexpected"),
        ("x = unknown;", "unknown is not defined"),
        ("x = $Nonsense.GetSample(1);", "is not defined"),
        ("x = ceil(1);", "no function ceil"),
        ("x = $PendingTasks.Sample(1);", "no method Sample"),
        ("x = time().century;", "no member century"),
        ("$PendingTasks = 1;", "read-only"),
        ("TimeInterval_Day = 1;", "read-only"),
        ("x = " + "(" * 3000 + "1" + ")" * 3000 + ";", "nested too deep"),
        ("x = " + "-" * 8000 + "1;", "nested too deep"),
    ],
)
def test_a_formula_that_cannot_be_read_is_refused_with_its_line(text, reason):
    with pytest.raises(FormulaSyntaxError, match=reason):
        compile_formula(text)


@pytest.mark.parametrize("text", ["x = 1;" + " " * 8187, "x = 1;" * 101])
def test_a_formula_over_azures_limits_is_refused(text):
    with pytest.raises(FormulaTooLongError):
        compile_formula(text)


def test_a_formula_at_azures_limits_is_accepted():
    assert compile_formula("x = 1;" + " " * 8186)
    assert compile_formula("x = 1;" * 100)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x = 1 / 0;", "division by zero"),
        ("x = TimeInterval_Day / 0;", "division by zero"),
        ("x = 1e308 * 10; $TargetDedicatedNodes = x;", "inf"),
        ("x = TimeInterval_Year * 1e30;", "too large"),
        ("x = $PendingTasks.GetSample(1e9 * TimeInterval_Year);", "too large|too long"),
        ("x = 1 + 'a';", "no double \\+ string"),
        ("x = time() + time();", "no timestamp \\+ timestamp"),
        ("x = 'a' < 1;", "no string < double"),
        ("x = -'a';", "no -string"),
        ("x = 'a' ? 1 : 2;", "must be a double"),
        ("x = avg();", "of nothing"),
        ("x = ln(0);", "not positive"),
        ("x = val($PendingTasks.GetSample(4), 9);", "no element 9"),
        ("x = percentile($PendingTasks.GetSample(4), 101);", "0 to 100"),
        ("x = time('soon');", "not a time"),
        ("x = $PendingTasks.GetSample(TimeInterval_Minute, 70);", "70 % were asked for"),
        ("x = $CPUPercent.GetSample(1);", "no sample of \\$CPUPercent"),
        ("x = $PendingTasks.GetSample('a');", "expected a timestamp"),
        ("x = time().GetSample(1);", "has no GetSample"),
        ("x = 1; y = x.year;", "has no .year"),
        ("$TargetDedicatedNodes = 'a';", "must be a double"),
        ("$NodeDeallocationOption = 'requeue';", "must be one of"),
    ],
)
def test_an_evaluation_that_fails_says_why(text, reason):
    with pytest.raises(EvaluationError, match=reason):
        results(text, VECTOR)


@given(st.text(alphabet="x1.+-*/()<>=!&|?:;,$ \"'\nPendingTasksGetSample", max_size=60))
def test_any_text_is_either_refused_or_evaluated_or_fails_properly(text):
    with contextlib.suppress(FormulaSyntaxError, EvaluationError):
        results(text, VECTOR)


def test_old_samplings_give_way():
    found = History(period=SECOND, begun_at=NOW)
    for _ in range(CAPACITY + 5):
        found.add(sampling(NOW))
    assert len(found) == CAPACITY
