"""The report as one HTML page that asks the network for nothing.

Everything that came from outside (names, notes, options, messages) is escaped by the template engine. The page's
policy admits its own style and script by their digests and pictures only as data, so that whatever slipped
through would still not run.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from cpu_worker.report import charts, words
from cpu_worker.report.csv_text import items_csv
from cpu_worker.report.sources import ItemSources
from dropscore import quantities
from dropscore.contracts.base import Json
from dropscore.contracts.item_table import step_seconds, total_seconds
from dropscore.contracts.report import Report
from dropscore.contracts.verdict import ItemTiming
from dropscore.workloads.base import Picture

HERE: Final = Path(__file__).parent
MAX_ROWS: Final = 2_000
"""Items shown one by one; the others are in the figures by step and, up to a limit, in the CSV file."""
MAX_FILES: Final = 200
"""Inputs and outputs listed one by one."""
OPEN_ROWS: Final = 60
"""A table of items up to this long is shown opened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemRow:
    """One line of the items table. `cells` are milliseconds by step."""

    item: int
    source: str
    cells: tuple[str, ...]
    total: str
    bars: tuple[charts.Bar, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PicturePair:
    """Before and after, as data addresses."""

    before: str
    after: str
    caption: str
    source: str
    """Full name of the input that is shown."""


def render(report: Report, before: Sequence[Picture], after: Sequence[Picture]) -> bytes:
    """The page. The same report and pictures give the same bytes."""
    style, script = _asset("page.css"), _asset("page.js")
    text = _template().render(
        report=report,
        words=words,
        quantities=quantities,
        style=style,
        script=script,
        policy=_policy(style, script),
        tiles=_tiles(report),
        stage_bars=charts.stage_bars(report.stages),
        pairs=_pairs(before, after, ItemSources(report.inputs)),
        metrics=_facts(report.metrics),
        step_bars=charts.step_bars([(step.step, step.total_s) for step in report.steps]),
        columns=[words.STEP_TITLES[step] for step in words.STEP_TITLES],
        slowest=_rows(report, report.slowest),
        rows=_rows(report, report.items[:MAX_ROWS]),
        rows_open=report.items_timed <= OPEN_ROWS,
        many_inputs=len(report.inputs) > 1,
        csv=_data_address("text/csv;charset=utf-8", items_csv(report)),
        gantt=charts.gantt(report.shards),
        row_height=charts.GANTT_ROW,
        inputs=report.inputs[:MAX_FILES],
        outputs=report.outputs[:MAX_FILES],
        facts=_facts,
    )
    return text.encode()


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("page.html")


def _asset(name: str) -> Markup:
    """A file of ours, trusted as it is."""
    return Markup((HERE / name).read_text("utf-8"))  # noqa: S704  # not from outside


def _policy(style: str, script: str) -> str:
    return "; ".join(
        (
            "default-src 'none'",
            "img-src data:",
            f"style-src '{_source_digest(style)}'",
            f"script-src '{_source_digest(script)}'",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _source_digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _data_address(media_type: str, data: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def _tiles(report: Report) -> list[tuple[str, str, str]]:
    """The figures at the top: (name, figure, what stands below it)."""
    published, total = quantities.count(report.items_published), quantities.count(report.items_total)
    whole = report.items_published == report.items_total
    coverage = words.share(report.items_published / max(report.items_total, 1))
    gap = "all of them" if whole else f"of {total}, {quantities.count(report.items_missing)} missing ({coverage})"
    scoring_s = sum(span.duration_s for span in report.stages if span.status.value == "scoring")
    shards = quantities.counted(report.shards_total, "shard")
    workers = len(report.workers)
    return [
        ("Items", published, gap),
        ("Total time", quantities.duration(report.duration_s), f"since {words.moment(report.created_at)}"),
        ("Rate", f"{words.rate(report.items_published, scoring_s)} /s", "items while scoring"),
        ("Workers", quantities.count(workers), ", ".join(sorted({worker.device for worker in report.workers}))),
        ("Retries", quantities.count(report.retries), f"over {shards}"),
    ]


def _pairs(before: Sequence[Picture], after: Sequence[Picture], sources: ItemSources) -> list[PicturePair]:
    """Pictures of the same item side by side, in the order of the items."""
    originals = {picture.item: picture for picture in before}
    return [
        PicturePair(
            before=_data_address("image/jpeg", originals[picture.item].jpeg),
            after=_data_address("image/jpeg", picture.jpeg),
            caption=picture.caption,
            source=sources.name_of(picture.item),
        )
        for picture in sorted(after, key=lambda picture: picture.item)
        if picture.item in originals
    ]


def _rows(report: Report, timings: Sequence[ItemTiming]) -> list[ItemRow]:
    most_s = max((total_seconds(timing) for timing in report.slowest), default=0.0)
    sources = ItemSources(report.inputs)
    return [
        ItemRow(
            item=timing.item,
            source=sources.name_of(timing.item),
            cells=tuple(quantities.milliseconds(seconds) for seconds in step_seconds(timing)),
            total=quantities.milliseconds(total_seconds(timing)),
            bars=charts.item_bars(timing, most_s),
        )
        for timing in timings
    ]


def _facts(facts: Mapping[str, Json]) -> list[tuple[str, str]]:
    return [words.fact(name, value) for name, value in facts.items()]
