import re
from html.parser import HTMLParser

import altair as alt
import pytest

from gammapo.report import palette
from gammapo.report.page import Cell, Page

EVIL = "<script>alert(1)</script>"
VOID = {"meta", "br", "link", "img", "hr", "input"}


class Checker(HTMLParser):
    """Notes tags, ids and attributes, and that every tag is closed in order."""

    def __init__(self, page: str):
        super().__init__()
        self.open, self.tags, self.ids, self.attributes = [], [], [], []
        self.feed(page)
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def chart(title="A chart", colour=palette.SLOTS[0][0]) -> alt.Chart:
    rows = alt.Data(values=[{"x": 1, "y": 2}, {"x": 2, "y": 3}])
    return alt.Chart(rows, title=title).mark_line(color=colour, clip=True).encode(x="x:Q", y="y:Q")


def full_page() -> Page:
    page = Page(f"Title {EVIL}", f"Subtitle {EVIL}")
    page.finding(f"**a** beats {EVIL}", tone="good")
    page.section(f"First {EVIL}")
    page.text(f"- one {EVIL}\n- two `code`")
    page.warning(f"beware {EVIL}", level="serious")
    page.table(["model", "score"], [[EVIL, Cell(text="1.0", note=EVIL)]], caption=EVIL)
    page.chart([chart(EVIL), chart()], f"Caption {EVIL}")
    page.section("Second")
    page.samples(EVIL, {EVIL: f"answer {EVIL}", "b": ""}, scores={EVIL: EVIL}, parts={EVIL: {EVIL: EVIL}})
    page.code(f"gammapo {EVIL}")
    page.facts({EVIL: EVIL})
    return page


def test_everything_is_escaped():
    html = full_page().render()
    assert "<script" not in html.lower()
    assert "alert(1)" in html  # shown as text, not dropped
    checked = Checker(html)
    assert not [name for _, name, _ in checked.attributes if name.startswith("on")]


def test_markdown_is_escaped_and_complete():
    text = full_page().markdown()
    assert "<script" not in re.sub(r"(?ms)^(```+)$.*?^\1$", "", text)  # code is shown as it is
    for words in ("# Title", "## Second", "| model | score |", "beware", "**Prompt:**", "Chart, drawn"):
        assert words in text


def test_code_stays_code_below_a_list_and_around_fences():
    page = Page("t")
    page.facts({"seed": "0"})
    page.code("a\n```\n<script>")
    assert page.markdown().endswith("- seed: 0\n\n````\na\n```\n<script>\n````\n")


def test_a_pipe_does_not_break_a_markdown_table():
    page = Page("t")
    page.table(["a|b", "c"], [["x|y", "z\nw"]])
    rows = [line for line in page.markdown().splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {3}


def test_page_is_self_contained_and_well_formed():
    html = full_page().render()
    checked = Checker(html)
    assert not {"script", "link", "img", "iframe", "object"} & set(checked.tags)
    assert "@import" not in html
    assert not re.findall(r"url\((?!#)", html)
    hrefs = [value for _, name, value in checked.attributes if name in {"href", "src", "xlink:href"}]
    assert hrefs
    assert all(value.startswith("#") for value in hrefs)
    assert {value[1:] for value in hrefs} <= set(checked.ids)
    assert len(checked.ids) == len(set(checked.ids)), "ids of two charts collide"


def test_the_same_blocks_give_the_same_bytes_even_later_in_the_process():
    first = full_page().render()
    chart_between = Page("other")
    chart_between.chart(chart(), "moves the renderer's own counters on")
    chart_between.render()
    assert full_page().render() == first


def test_accessible():
    checked = Checker(full_page().render())
    labels = [value for tag, name, value in checked.attributes if tag == "svg" and name == "aria-label"]
    assert labels == [f"{EVIL}: Caption {EVIL}", f"A chart: Caption {EVIL}"]
    assert checked.tags.count("figcaption") == 2  # table and chart
    assert ("th", "scope", "col") in checked.attributes
    assert ("th", "scope", "row") in checked.attributes
    assert ("html", "lang", "en") in checked.attributes


def test_chart_colours_follow_the_theme():
    page = Page("t")
    page.chart(chart(colour=palette.SLOTS[1][0]), "c")
    html = page.render()
    drawing = html[html.index("<svg") : html.index("</svg>")]
    assert 'stroke="var(--c1)"' in drawing
    assert not re.findall(r'"#[0-9a-f]{6}"', drawing), "a fixed colour cannot follow light and dark"
    assert "prefers-color-scheme: dark" in html
    for slot, (light, dark) in enumerate(palette.SLOTS):
        assert html.count(f"--c{slot}: {light};") == html.count(f"--c{slot}: {dark};") == 1


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("slot", range(len(palette.SLOTS)))
def test_colours_have_contrast_on_light_and_dark(slot):
    """WCAG 2: at least 3:1 for the parts of a drawing."""
    light, dark = palette.SLOTS[slot]
    assert (luminance("#fdfdfc") + 0.05) / (luminance(light) + 0.05) >= 3
    assert (luminance(dark) + 0.05) / (luminance("#14161a") + 0.05) >= 3


def test_section_anchors_differ():
    page = Page("t")
    for title in ("Same", "Same", "Same", "…"):
        page.section(title)
    anchors = [block.anchor for block in page.blocks]
    assert len(set(anchors)) == 4


def test_numbers_are_aligned_right_and_none_is_a_dash():
    page = Page("t")
    page.table(["name", "n", "word"], [["a", "−1.5", "x"], ["b", None, "2nd y"]])
    assert page.blocks[0].right == (False, True, False)
    assert "| b | – | 2nd y |" in page.markdown()
