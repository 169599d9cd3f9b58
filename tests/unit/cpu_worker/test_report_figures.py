"""What a report counts, and how its figures read."""

import csv
import io

import pytest
from reports import CREATED, report, shards, timing, verdict

from cpu_worker.report import charts, words
from cpu_worker.report.csv_text import items_csv
from cpu_worker.report.ledger import Ledger
from cpu_worker.report.sources import ItemSources
from dropscore import quantities
from dropscore.contracts.item_table import plain_cell
from dropscore.contracts.plan import ShardSpec
from dropscore.contracts.report import MAX_REPORT_ITEMS, ShardLine, StageSpan
from dropscore.contracts.run import RunStatus
from dropscore.contracts.verdict import Outcome


def ledger_of(predict_s: list[float]) -> Ledger:
    ledger = Ledger(CREATED)
    shard = ShardSpec(shard_id=0, input_index=0, first_item=0, items=len(predict_s))
    ledger.add(shard, verdict(shard, items=tuple(timing(n, seconds) for n, seconds in enumerate(predict_s))))
    return ledger


def test_figures_of_a_step_are_those_one_can_count_by_hand() -> None:
    ledger = ledger_of([0.01 * n for n in range(1, 21)])  # 10, 20 … 200 ms

    predict = next(step for step in ledger.steps() if step.step == "predict")

    assert predict.total_s == pytest.approx(2.1)
    assert predict.mean_s == pytest.approx(0.105)
    assert predict.median_s == pytest.approx(0.1)  # 10 of 20 are at most this
    assert predict.p95_s == pytest.approx(0.19)  # 19 of 20 are at most this
    assert predict.most_s == pytest.approx(0.2)


def test_a_step_that_took_no_time_is_left_out() -> None:
    assert "postprocess" not in [step.step for step in ledger_of([0.1]).steps()]


def test_the_ten_slowest_items_come_worst_first_and_ties_in_order() -> None:
    ledger = ledger_of([0.1] * 12 + [0.9, 0.5])

    assert [slow.item for slow in ledger.slowest] == [12, 13, 0, 1, 2, 3, 4, 5, 6, 7]


def test_items_beyond_the_limit_count_in_the_figures_alone() -> None:
    ledger = ledger_of([0.001] * MAX_REPORT_ITEMS + [5.0])

    assert len(ledger.items) == MAX_REPORT_ITEMS
    assert ledger.items_timed == MAX_REPORT_ITEMS + 1
    assert ledger.slowest[0].item == MAX_REPORT_ITEMS


def test_workers_are_told_apart_and_model_loads_counted() -> None:
    made = report(3, verdicts=[verdict(shard, model_load_s=0.5 if shard.shard_id == 0 else 0.0) for shard in shards(3)])

    (worker,) = made.workers
    assert (worker.shards, worker.items, worker.busy_s, worker.model_loads) == (3, 6, 3.0, 1)


def test_a_worker_whose_clock_is_behind_does_not_start_before_the_run() -> None:
    ledger = Ledger(CREATED)
    (shard,) = shards(1)
    ledger.add(shard, verdict(shard, started_at="2025-12-31T23:59:00.000000Z"))

    assert ledger.shards[0].start_s == 0.0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0.0 ms"),
        (0.0042, "4.2 ms"),
        (0.42, "420 ms"),
        (0.9996, "1.0 s"),
        (12.34, "12.3 s"),
        (59.96, "1 min 00 s"),
        (245, "4 min 05 s"),
        (3599.6, "1 h 00 min"),
        (7620, "2 h 07 min"),
    ],
)
def test_durations_read_as_people_say_them(seconds: float, text: str) -> None:
    assert quantities.duration(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_960, "1.0 MB"),
        (1_340_000_000, "1.3 GB"),
        (2 * 10**12, "2.0 TB"),
    ],
)
def test_sizes_read_in_powers_of_a_thousand(size: int, text: str) -> None:
    assert quantities.size(size) == text


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("duration_s", 5.0, ("Duration", "5.0 s")),
        ("size_bytes", 840_570, ("Size", "840.6 kB")),
        ("sample_rate_hz", 48_000, ("Sample rate", "48,000 Hz")),
        ("frames_per_s", 29.97, ("Frames", "29.97 a second")),
        ("frames", 200_000, ("Frames", "200,000")),
        ("flicker_output_levels", 0.4321, ("Flicker output", "0.432 of 255 levels")),
        ("audio", None, ("Audio", "–")),
        ("rotated", False, ("Rotated", "no")),
        ("size", {"width": 640, "height": 360}, ("Size", "width 640, height 360")),
        ("tags", ["bt709", 1.5], ("Tags", "bt709, 1.5")),
    ],
)
def test_facts_read_with_their_units(name: str, value: object, text: tuple[str, str]) -> None:
    assert words.fact(name, value) == text  # type: ignore[arg-type]


def test_csv_has_a_line_for_each_item_and_its_sum() -> None:
    rows = list(csv.reader(io.StringIO(items_csv(report(2)).decode(), newline="")))

    steps = ["fetch_ms", "decode_ms", "preprocess_ms", "predict_ms", "postprocess_ms", "encode_ms"]
    assert rows[0] == ["item", "input", *steps, "total_ms"]
    assert rows[4] == ["3", "film.mp4", "1.000", "4.000", "1.000", "50.000", "0.000", "4.000", "60.000"]
    assert len(rows) == 5


@pytest.mark.fault(69)
@pytest.mark.parametrize("name", ["=HYPERLINK(1)", "+1", "-1", "@SUM(A1)", "\tx"])
def test_no_name_becomes_a_formula_in_a_spreadsheet(name: str) -> None:
    assert plain_cell(name) == "'" + name


def test_an_item_is_found_in_its_input() -> None:
    sources = ItemSources(report(3, inputs=["a.jpg", "b.jpg", "c.jpg"]).inputs)

    assert [sources.name_of(item) for item in range(7)] == ["a.jpg", "a.jpg", "b.jpg", "b.jpg", "c.jpg", "c.jpg", ""]


def test_stages_fill_the_line_in_proportion() -> None:
    bars = charts.stage_bars(
        [
            StageSpan(status=RunStatus.PLANNING, start_s=0, duration_s=1),
            StageSpan(status=RunStatus.PROVISIONING, start_s=1, duration_s=0),
            StageSpan(status=RunStatus.SCORING, start_s=1, duration_s=3),
        ]
    )

    assert [(bar.x, bar.width, bar.kind) for bar in bars] == [(0, 250, "st-planning"), (250, 750, "st-scoring")]


def shard_line(shard_id: int, start_s: float, duration_s: float, worker: str = "w0", **changes: object) -> ShardLine:
    fields = {
        "shard_id": shard_id,
        "first_item": 0,
        "items": 1,
        "outcome": Outcome.DONE,
        "attempt": 1,
        "worker": worker,
        "start_s": start_s,
        "duration_s": duration_s,
    }
    return ShardLine(**(fields | changes))  # type: ignore[arg-type]


def test_shards_of_one_worker_that_overlap_lie_below_each_other() -> None:
    drawn = charts.gantt([shard_line(0, 0, 5), shard_line(1, 1, 5), shard_line(2, 5, 5)])

    (lane,) = drawn.lanes
    assert [(bar.x, bar.width, bar.row) for bar in lane.bars] == [(0, 500, 0), (100, 500, 1), (500, 500, 0)]
    assert lane.rows == 2


def test_a_retried_and_a_failed_shard_are_marked() -> None:
    drawn = charts.gantt(
        [shard_line(0, 0, 1), shard_line(1, 1, 1, attempt=2), shard_line(2, 2, 1, outcome=Outcome.FAILED)]
    )

    assert [bar.kind for bar in drawn.lanes[0].bars] == ["g-done", "g-retried", "g-failed"]
    assert "attempt 2" in drawn.lanes[0].bars[1].label


def test_only_so_many_workers_are_drawn_and_the_others_counted() -> None:
    drawn = charts.gantt([shard_line(n, n, 1, worker=f"w{n:03d}") for n in range(50)])

    assert (len(drawn.lanes), drawn.hidden_workers) == (40, 10)


def test_no_shards_draw_nothing() -> None:
    assert charts.gantt([]).lanes == ()


@pytest.mark.parametrize(
    ("part", "read"), [(0, "0 %"), (1.0, "100 %"), (0.9, "90 %"), (0.99995, "99.99 %"), (1e-9, "0.01 %")]
)
def test_coverage_reads_as_a_percentage_that_never_rounds_to_all(part: float, read: str) -> None:
    assert words.fact("coverage", part) == ("Coverage", read)
