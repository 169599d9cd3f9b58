"""The page of a report: self-contained, safe with any name, the same every time."""

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest
from reports import report, shards, verdict

from cpu_worker.report.page import MAX_ROWS, render
from dropscore.contracts.failures import Code, failure
from dropscore.contracts.report import Report
from dropscore.contracts.run import RunStatus
from dropscore.workloads.base import Picture

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&.mp4"


class Page(HTMLParser):
    """What a page holds, by what matters here."""

    def __init__(self, html: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.inline: dict[str, str] = {}
        self._open = ""
        self.feed(html.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._open = tag

    def handle_data(self, data: str) -> None:
        if self._open in ("style", "script"):
            self.inline[self._open] = self.inline.get(self._open, "") + data
        else:
            self.texts.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def attributes(self, name: str) -> list[str]:
        return [value or "" for _, attributes in self.tags for key, value in attributes.items() if key == name]


def pictures(*items: int) -> tuple[Picture, ...]:
    return tuple(Picture(jpeg=f"jpeg {item}".encode(), caption=f"frame {item}", item=item) for item in items)


def page_of(made: Report) -> Page:
    return Page(render(made, pictures(0, 2), pictures(0, 2)))


def test_the_same_report_gives_the_same_bytes() -> None:
    assert render(report(), pictures(0), pictures(0)) == render(report(), pictures(0), pictures(0))


def test_the_page_asks_the_network_for_nothing() -> None:
    page = page_of(report())

    for name in ("src", "href", "srcset", "action", "poster", "data"):
        for address in page.attributes(name):
            assert address.startswith(("data:image/jpeg;base64,", "data:text/csv", "#")), address
    assert "url(" not in page.inline["style"]
    assert "@import" not in page.inline["style"]
    assert "link" not in [tag for tag, _ in page.tags]


def test_the_policy_admits_exactly_our_style_and_script() -> None:
    page = page_of(report())
    policy = next(
        attributes["content"] or ""
        for tag, attributes in page.tags
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    )

    for kind in ("style", "script"):
        digest = base64.b64encode(hashlib.sha256(page.inline[kind].encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert page.attributes("style") == [], "a style attribute would be refused by the policy"
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]


@pytest.mark.fault(69)
def test_names_from_outside_are_text_and_nothing_else() -> None:
    specs = shards(2)
    broken = failure(Code.INPUT_CORRUPT, f"the input {EVIL!r} is broken", input=EVIL, action=EVIL)
    made = report(
        2,
        verdicts=[verdict(specs[0]), verdict(specs[1], failure=broken)],
        inputs=[EVIL, "b.mp4"],
        failures=[broken],
        note=EVIL,
        options={EVIL: EVIL},
        metrics={EVIL: [EVIL]},
        notes=(EVIL,),
        workload_title=EVIL,
    )

    page = Page(render(made, pictures(0), (Picture(jpeg=b"x", caption=EVIL, item=0),)))

    assert [tag for tag, _ in page.tags].count("script") == 1
    assert [tag for tag, _ in page.tags].count("img") == 2
    assert page.text.count("<script>alert(1)</script>") >= 8


def test_files_are_called_by_their_own_name_and_have_the_full_one_as_title() -> None:
    uploaded = "20260301-093005-5f3a1c/clip.mp4"
    broken = failure(Code.INPUT_CORRUPT, "the input is broken", input=uploaded)

    page = page_of(report(inputs=[uploaded, "other.mp4"], failures=[broken]))

    before_lineage = page.text.partition("Lineage")[0]
    assert "clip.mp4" in before_lineage
    assert uploaded not in before_lineage
    assert {tag for tag, attributes in page.tags if attributes.get("title") == uploaded} == {"span", "figcaption"}
    assert f"Input {uploaded}" in page.text, "the lineage names it in full"


def test_pictures_of_the_same_item_stand_side_by_side() -> None:
    page = Page(render(report(), pictures(0, 2, 4), pictures(4, 0)))

    images = [attributes["alt"] for tag, attributes in page.tags if tag == "img"]
    assert images == ["Before: frame 0", "After: frame 0", "Before: frame 4", "After: frame 4"]


def test_only_so_many_items_are_rows_and_the_page_says_how_many_are_not() -> None:
    made = report(MAX_ROWS // 2 + 50)

    page = page_of(made)

    assert f"The first {MAX_ROWS:,} of {MAX_ROWS + 100:,} items" in page.text
    assert "The other 100 items are in the figures by step above." in page.text
    rows = [tag for tag, _ in page.tags].count("tr")
    assert MAX_ROWS < rows < MAX_ROWS + 40


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (RunStatus.SUCCEEDED, "✓ succeeded"),
        (RunStatus.SUCCEEDED_WITH_GAPS, "◐ succeeded with gaps"),
        (RunStatus.FAILED, "✕ failed"),
    ],
)
def test_the_status_is_a_word_and_a_shape_not_a_colour_alone(status: RunStatus, words: str) -> None:
    assert words in page_of(report(status=status)).text


def test_a_failure_card_has_code_sentence_and_next_action() -> None:
    broken = failure(Code.INPUT_EMPTY, "the input 'a.mp4' has no bytes", input="a.mp4")

    text = page_of(report(failures=[broken])).text

    assert "E-INPUT-EMPTY · a.mp4 the input 'a.mp4' has no bytes → Upload the file again." in text


def test_the_lineage_names_digests_of_inputs_options_model_code_and_outputs() -> None:
    text = page_of(report()).text

    for digest in ("a" * 64, "b" * 64, "c" * 64, "d" * 64, "dropscore 0.1.0", "torch 2.13.0"):
        assert digest in text


def test_a_report_without_pictures_timings_or_shards_still_reads() -> None:
    made = report(1, items=(), slowest=(), steps=(), shards=(), workers=(), stages=(), outputs=(), items_timed=0)

    text = Page(render(made, (), ())).text

    assert "Outputs" in text
    assert "Before and after" not in text
    assert re.search(r"None\.", text)
