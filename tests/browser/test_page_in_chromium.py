"""The page in a real browser: nothing from elsewhere, small, readable by all, smooth with 10,000 shards, and fresh."""

import json
from collections.abc import Iterator

import pytest
from axe import axe_source, findings
from chromium import Tab
from served import Served, serve

from dropscore.contracts import layout
from dropscore.contracts.run import RunStatus
from dropscore.contracts.verdict import Outcome

RUNNING, LARGE, FAILED = "running-0123456789abcdef", "large-0123456789abcdef", "failed-0123456789abcdef"
SHARDS = 10_000
FIRST_LOAD_BYTES = 100_000
FIRST_PAINT_MS = 1_000
VISIBLE_S = 1.5
SMOOTH_MS = 20
"""A frame in 50 a second."""
VIEWS = ("/", f"/runs/{RUNNING}?shard=3", f"/runs/{FAILED}", f"/runs/{RUNNING}/items", f"/runs/{RUNNING}/logs")
OTHER_VIEWS = ("/workers", "/models", "/workloads", "/codes", "/poison", "/runs/nowhere-at-all")


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """Runs that are running, large and failed."""
    with serve() as served:
        served.put_run(RUNNING, RunStatus.SCORING, 40, note="A note")
        for shard in range(12):
            served.settle(RUNNING, shard, attempt=2 if shard == 5 else 1)
        served.say(RUNNING, "Scored a shard.", "Scored another.")
        served.say(RUNNING, "A frame was damaged.", level="error")
        served.put_run(LARGE, RunStatus.SCORING, SHARDS)
        for shard in range(0, SHARDS, 9):
            served.settle(LARGE, shard, Outcome.FAILED if shard % 5 == 0 else Outcome.DONE)
        served.put_run(FAILED, RunStatus.SUCCEEDED_WITH_GAPS, 8, items_done=28, items_failed=4)
        served.settle(FAILED, 3, Outcome.FAILED)
        served.quarantine(FAILED, 3)
        served.poison()
        yield served


@pytest.fixture(scope="module")
def axe() -> str:
    """The checker; skips where it cannot be had."""
    source = axe_source()
    if source is None:
        pytest.skip("axe-core is not there and cannot be fetched: it needs a package registry when first used")
    return source


@pytest.mark.parametrize("path", [*VIEWS, *OTHER_VIEWS])
def test_nothing_comes_from_elsewhere_and_no_policy_is_broken(tab: Tab, served: Served, path: str) -> None:
    tab.open(served.url + path)
    tab.ask("new Promise(resolve => setTimeout(resolve, 300))")

    asked = [request["request"]["url"] for request in tab.seen("Network.requestWillBeSent")]
    assert asked
    assert [url for url in asked if not url.startswith(served.url)] == []
    complaints = [entry["entry"]["text"] for entry in tab.seen("Log.entryAdded")]
    assert [text for text in complaints if "404" not in text] == []
    assert tab.seen("Runtime.exceptionThrown") == []


@pytest.mark.parametrize("path", ["/", f"/runs/{LARGE}", f"/runs/{RUNNING}"])
def test_the_first_load_is_small_and_quickly_painted(tab: Tab, served: Served, path: str) -> None:
    paints = []
    for _ in range(3):
        tab.command("Network.clearBrowserCache")
        tab.open(served.url + path)
        tab.until("performance.getEntriesByName('first-contentful-paint').length")
        paints.append(tab.ask("performance.getEntriesByName('first-contentful-paint')[0].startTime"))
    loaded = sum(event["encodedDataLength"] for event in tab.seen("Network.loadingFinished"))

    assert loaded <= FIRST_LOAD_BYTES
    assert min(paints) <= FIRST_PAINT_MS


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("path", [*VIEWS, *OTHER_VIEWS])
def test_axe_finds_nothing_grave(tab: Tab, served: Served, axe: str, path: str, dark: bool) -> None:
    tab.open(served.url + path, dark=dark)

    assert findings(tab, axe) == []


@pytest.mark.parametrize("width", [320, 768, 1200])
@pytest.mark.parametrize("path", [*VIEWS, *OTHER_VIEWS])
def test_nothing_sticks_out_at_any_width(tab: Tab, served: Served, path: str, width: int) -> None:
    tab.open(served.url + path, width=width)

    assert tab.ask("document.documentElement.scrollWidth") <= width


def test_a_verdict_is_seen_soon(tab: Tab, served: Served) -> None:
    tab.open(f"{served.url}/runs/{RUNNING}")
    waits = []
    for shard in range(20, 26):
        served.settle(RUNNING, shard)
        letter = f"document.querySelector('[data-live=letters]').textContent[{shard}]"
        waits.append(tab.until(f"{letter} === 'd'"))

    assert max(waits) <= VISIBLE_S


def test_a_run_that_begins_is_seen_in_the_list(tab: Tab, served: Served) -> None:
    tab.open(f"{served.url}/")

    served.put_run("new-0123456789abcdef", RunStatus.PENDING, 1)

    tab.until("document.body.textContent.includes('new-0123456789abcdef')")


def test_the_grid_of_ten_thousand_scrolls_smoothly(tab: Tab, served: Served) -> None:
    tab.open(f"{served.url}/runs/{LARGE}")
    tab.until("document.querySelector('.cells canvas')?.height > 0")

    frames = json.loads(tab.ask(SCROLL))

    assert tab.ask("document.querySelector('.cells').scrollTop") > 0
    assert sorted(frames)[len(frames) // 2] <= SMOOTH_MS


def test_the_grid_is_walked_by_keys_and_tells_of_the_shard(tab: Tab, served: Served) -> None:
    tab.open(f"{served.url}/runs/{RUNNING}")
    tab.until("document.querySelector('[role=slider].cells')")

    tab.ask("document.querySelector('.cells').focus()")
    for key in ("Home", "ArrowRight", "ArrowRight", "ArrowRight", "ArrowRight", "ArrowRight"):
        tab.command("Input.dispatchKeyEvent", type="keyDown", key=key)

    assert tab.ask("document.querySelector('.cells').ariaValueText") == "Shard 5: done after a retry, items 20 to 23"
    tab.until("document.querySelector('[data-live=shard]').textContent.includes('Shard 5')")
    assert "shard=5" in tab.ask("location.href")


def test_a_click_chooses_a_shard_and_hovering_names_it(tab: Tab, served: Served) -> None:
    tab.open(f"{served.url}/runs/{RUNNING}")
    tab.until("document.querySelector('.cells canvas')?.height > 0")
    place = tab.ask(
        "(() => { const cells = document.querySelector('.cells'); cells.scrollIntoView();"
        " const box = cells.getBoundingClientRect(); return [box.left + 45, box.top + 9]; })()"
    )

    for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
        tab.command("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1)

    assert tab.ask("document.querySelector('.tip').textContent") == "Shard 2: done, items 8 to 11"
    tab.until("document.querySelector('[data-live=shard]').textContent.includes('Shard 2')")


def test_the_log_follows(tab: Tab, served: Served) -> None:
    tab.open(f"{served.url}/runs/{RUNNING}/logs")

    served.say(RUNNING, "A line that came later.")

    tab.until("document.querySelector('.log ol').textContent.includes('A line that came later.')")
    assert tab.ask("document.querySelectorAll('.log li').length") >= 4


def test_a_button_cancels_a_run(tab: Tab, served: Served) -> None:
    run = "cancelled-0123456789abcdef"
    served.put_run(run, RunStatus.SCORING, 2)
    tab.open(f"{served.url}/runs/{run}")

    tab.ask("document.querySelector('.sure summary').click()")
    tab.ask("document.querySelector('.sure form button').click()")

    tab.until("location.search.includes('said=cancel') && document.readyState === 'complete'")
    assert served.memory.blobs.head(layout.cancel_mark(run)) is not None


def test_an_open_question_is_not_closed_by_what_is_new(tab: Tab, served: Served) -> None:
    tab.open(f"{served.url}/runs/{RUNNING}")

    tab.ask("document.querySelector('.sure summary').click()")
    served.settle(RUNNING, 30)
    tab.until("document.querySelector('[data-live=letters]').textContent[30] === 'd'")

    assert tab.ask("document.querySelector('.sure').open")


def test_without_script_all_of_it_can_be_read(tab: Tab, served: Served) -> None:
    tab.command("Emulation.setScriptExecutionDisabled", value=True)
    try:
        tab.open(f"{served.url}/runs/{RUNNING}?shard=5")
        text = tab.ask("document.body.innerText")
        letters = tab.ask("document.querySelector('.letters').getBoundingClientRect().height")
    finally:
        tab.command("Emulation.setScriptExecutionDisabled", value=False)

    assert letters > 0
    for part in ("scoring", "done after a retry", "Shard 5", "Scored a shard.", "Suspend"):
        assert part in text


SCROLL = """
new Promise((resolve) => {
  const cells = document.querySelector(".cells"), spans = [];
  let before = performance.now(), steps = 0;
  const step = (now) => {
    spans.push(now - before);
    before = now;
    cells.scrollTop += 12;
    steps += 1;
    if (steps < 120) requestAnimationFrame(step); else resolve(JSON.stringify(spans.slice(5)));
  };
  requestAnimationFrame(step);
})
"""
