"""The report in a real browser: it loads nothing, runs under its own policy, sorts, slides and fits a small screen."""

import io
import random
from pathlib import Path

import pytest
from chromium import Tab
from PIL import Image

from cpu_worker.report.compose import Findings, compose_report
from cpu_worker.report.ledger import Ledger
from cpu_worker.report.page import render
from dropscore.contracts.failures import Code, failure
from dropscore.contracts.names import Lane
from dropscore.contracts.plan import InputSummary, PlanIndex, ShardSpec
from dropscore.contracts.receipt import OutputFile
from dropscore.contracts.request import AdmittedRun, InputRef, ModelRef, RunPolicy
from dropscore.contracts.run import RunSource, RunState, RunStatus, StageTime
from dropscore.contracts.verdict import ItemTiming, Outcome, Verdict, WorkerFacts
from dropscore.workloads.base import Picture, Stitched

RUN = "opening-night-3f9a0c1d2e4b5a67"
LONG = "a-very-long-name-without-any-break-" * 6 + ".mp4"
ITEMS, SHARD = 240, 20


def at(seconds: float) -> str:
    return f"2026-03-01T09:30:{seconds:09.6f}Z"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of 240 items from two inputs, with a failed and a retried shard and names that do not break."""
    findings = Findings(
        admission=AdmittedRun(
            run_id=RUN,
            workload="style_transfer",
            options={"crf": 19, "style_image": None},
            model=ModelRef(name="mosaic-night", version="1", digest="d" * 64),
            lane=Lane.NORMAL,
            policy=RunPolicy(),
            input_count=2,
            input_bytes=2000,
            options_digest="c" * 64,
        ),
        state=RunState(
            run_id=RUN,
            status=RunStatus.STITCHING,
            source=RunSource(kind="http"),
            created_at=at(0),
            updated_at=at(20),
            stages=(
                StageTime(status=RunStatus.PENDING, at=at(0)),
                StageTime(status=RunStatus.PLANNING, at=at(0.1)),
                StageTime(status=RunStatus.SCORING, at=at(1)),
                StageTime(status=RunStatus.STITCHING, at=at(19)),
            ),
        ),
        workload_title="Video and picture style transfer",
        plan=PlanIndex(
            run_id=RUN,
            shards=ITEMS // SHARD,
            items=ITEMS,
            pages=1,
            inputs=tuple(
                InputSummary(input_index=n, name=name, items=ITEMS // 2, facts={"width": 640, "height": 360})
                for n, name in enumerate(("clip.mp4", LONG))
            ),
            refused=(failure(Code.INPUT_UNREADABLE, f"the input {LONG!r} cannot be opened", input=LONG),),
            shard_items=SHARD,
            reason="20 items take about 1.8 s.",
        ),
        refs=[InputRef(name=name, etag="0x1", size_bytes=1000) for name in ("clip.mp4", LONG)],
        digests={"clip.mp4": "a" * 64, LONG: "b" * 64},
        ledger=ledger(),
        stitched=Stitched(outputs=(), items_published=ITEMS - SHARD, items_missing=SHARD, metrics={"flicker": 0.02}),
        outputs=(OutputFile(name=LONG, sha256="e" * 64, size_bytes=2000, media_type="video/mp4"),),
        finished_at=at(20),
    )
    file = tmp_path_factory.mktemp("report") / "report.html"
    pictures = [picture(0, "navy"), picture(60, "teal")]
    file.write_bytes(render(compose_report(findings), pictures, [picture(0, "gold"), picture(60, "salmon")]))
    return file


def ledger() -> Ledger:
    chance = random.Random(1)
    made = Ledger(at(0))
    for shard_id in range(ITEMS // SHARD):
        first = shard_id * SHARD
        failed = shard_id == 3
        items = tuple(
            ItemTiming(item=item, decode_s=chance.uniform(0.004, 0.009), predict_s=chance.uniform(0.07, 0.12))
            for item in range(first, first + SHARD)
        )
        verdict = Verdict(
            run_id=RUN,
            shard_id=shard_id,
            outcome=Outcome.FAILED if failed else Outcome.DONE,
            items_done=0 if failed else SHARD,
            items_failed=SHARD if failed else 0,
            attempt=2 if shard_id == 5 else 1,
            worker=WorkerFacts(worker=f"node-{shard_id % 2}", device="cpu (2 lanes)", code_version="0.1.0"),
            started_at=at(1 + 1.5 * shard_id),
            duration_s=2.0,
            items=() if failed else items,
        )
        made.add(ShardSpec(shard_id=shard_id, input_index=0, first_item=first, items=SHARD), verdict)
    return made


def picture(item: int, colour: str) -> Picture:
    target = io.BytesIO()
    Image.new("RGB", (320, 180), colour).save(target, "JPEG")
    return Picture(jpeg=target.getvalue(), caption=f"frame {item}", item=item)


def test_it_loads_nothing_and_breaks_no_policy(tab: Tab, page: Path) -> None:
    tab.show(page)

    asked = [request["request"]["url"] for request in tab.seen("Network.requestWillBeSent")]
    assert [url for url in asked if not url.startswith("data:")] == [page.as_uri()]
    complaints = [entry["entry"]["text"] for entry in tab.seen("Log.entryAdded")]
    assert complaints == []
    assert tab.seen("Runtime.exceptionThrown") == []


def test_its_style_and_script_are_admitted_by_its_own_policy(tab: Tab, page: Path) -> None:
    tab.show(page)

    assert tab.ask("getComputedStyle(document.querySelector('.tiles')).display") == "grid"
    assert tab.ask("document.querySelectorAll('.sliding input[type=range]').length") == 2


def test_a_script_that_slips_in_does_not_run(tab: Tab, page: Path, tmp_path: Path) -> None:
    tampered = tmp_path / "tampered.html"
    tampered.write_bytes(page.read_bytes().replace(b"</main>", b"<script>document.title = 'owned'</script></main>"))

    tab.show(tampered)

    assert tab.ask("document.title") != "owned"


@pytest.mark.parametrize("width", [320, 375, 768, 1200])
def test_nothing_sticks_out_at_any_width(tab: Tab, page: Path, width: int) -> None:
    tab.show(page, width=width)

    assert tab.ask("document.documentElement.scrollWidth") <= width


def test_a_click_sorts_the_items_and_a_second_one_turns_them_round(tab: Tab, page: Path) -> None:
    tab.show(page)
    column = "[...document.querySelectorAll('#items tbody tr')].map(row => Number(row.cells[8].textContent))"
    head = "document.querySelectorAll('#items th')[8]"

    tab.ask(f"{head}.querySelector('button').click()")
    falling = tab.ask(column)
    said = tab.ask(f"{head}.getAttribute('aria-sort')")
    tab.ask(f"{head}.querySelector('button').click()")
    rising = tab.ask(column)

    assert len(falling) == ITEMS - SHARD
    assert falling == sorted(falling, reverse=True)
    assert said == "descending"
    assert rising == sorted(rising)


def test_the_slider_moves_the_cut_between_before_and_after(tab: Tab, page: Path) -> None:
    tab.show(page)

    tab.ask(
        "(() => { const slider = document.querySelector('.sliding input'); slider.value = 25;"
        " slider.dispatchEvent(new Event('input')); })()"
    )

    assert tab.ask("getComputedStyle(document.querySelector('.after')).clipPath") == "inset(0px 0px 0px 25%)"


def test_without_script_both_pictures_stand_side_by_side(tab: Tab, page: Path) -> None:
    tab.command("Emulation.setScriptExecutionDisabled", value=True)
    try:
        tab.show(page)
        boxes = tab.ask(
            "[...document.querySelectorAll('.pair:first-child img')].map(i => i.getBoundingClientRect().toJSON())"
        )
    finally:
        tab.command("Emulation.setScriptExecutionDisabled", value=False)

    before, after = boxes
    assert before["top"] == after["top"]
    assert before["right"] <= after["left"]


def test_text_has_enough_contrast_in_both_schemes(tab: Tab, page: Path) -> None:
    """4.5 to 1 after WCAG 2.2, for every element that holds text of its own."""
    for dark in (False, True):
        tab.show(page, dark=dark)
        assert tab.ask(CONTRAST) == []


CONTRAST = """
(() => {
  const parse = (text) => { const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number); return {r, g, b, a}; };
  const part = (c) => { c /= 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
  const light = ({r, g, b}) => 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  const ground = (node) => {
    for (; node; node = node.parentElement) {
      const colour = parse(getComputedStyle(node).backgroundColor);
      if (colour.a === 1) return colour;
    }
    return parse("rgb(255, 255, 255)");
  };
  const poor = [];
  for (const node of document.body.querySelectorAll("*")) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
    if (!own || node.closest("svg, script, style, .unseen")) continue;
    const [a, b] = [light(parse(getComputedStyle(node).color)), light(ground(node))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) poor.push(`${node.tagName} ${node.textContent.trim().slice(0, 30)} ${ratio.toFixed(2)}`);
  }
  return poor;
})()
"""
