"""An altair chart as an inline SVG that follows the page's theme and carries its own description."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import altair as alt

from gammapo.report import palette

SPACE = "{http://www.w3.org/2000/svg}"
CONFIG = {
    "background": None,
    "aria": False,
    "font": "Helvetica, Arial, sans-serif",  # measured with this; the page's own face is drawn
    "padding": 3,
    "view": {"stroke": None},
    "axis": {
        "domain": False,
        "ticks": False,
        "labelColor": palette.MUTED,
        "labelFontSize": 12,
        "labelPadding": 6,
        "titleColor": palette.MUTED,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "titlePadding": 8,
        "gridColor": palette.GRID,
        "gridWidth": 1,
    },
    "title": {
        "color": palette.INK,
        "fontSize": 14,
        "fontWeight": 600,
        "anchor": "start",
        "frame": "bounds",
        "offset": 12,
        "subtitleColor": palette.MUTED,
        "subtitleFontSize": 12,
        "subtitlePadding": 4,
    },
    "text": {"color": palette.INK, "fontSize": 12},
    "line": {"strokeWidth": 2.2, "strokeCap": "round", "strokeJoin": "round"},
}
IDLE = {"class", "role", "pointer-events", "font-family", "aria-hidden", "aria-label", "aria-roledescription"}


def render(chart: alt.TopLevelMixin, *, name: str, description: str) -> str:
    """The chart as one `<svg>` element without script, style sheet or outside reference.

    Args:
        name: unique in its page; it prefixes every id inside, because ids belong to the whole document.
        description: what a reader who cannot see the chart is told.
    """
    import vl_convert

    spec = chart.to_dict(validate=False)  # a test validates; here it would take most of the time
    spec["config"] = CONFIG
    root = ET.fromstring(vl_convert.vegalite_to_svg(spec))  # our own renderer's output, not a user's XML
    _tidy(root)
    _own_ids(root, name)
    for attribute in ("width", "height", "version"):
        root.attrib.pop(attribute, None)
    root.set("class", "chart")
    root.set("role", "img")
    root.set("aria-label", description)
    root.set("style", f"--natural:{root.get('viewBox', '0 0 0 0').split()[2]}px")
    ET.register_namespace("", SPACE[1:-1])
    return ET.tostring(root, encoding="unicode")


def _tidy(node: ET.Element) -> None:
    """Theme colours, inherited fonts; invisible helper paths and attributes without effect go away."""
    for key in [key for key in node.attrib if key in IDLE]:
        del node.attrib[key]
    if node.get("opacity") == "1":
        del node.attrib["opacity"]
    for key in ("fill", "stroke"):
        if key in node.attrib:
            node.set(key, palette.CSS.get(node.attrib[key].lower(), node.attrib[key]))
    for child in list(node):
        _tidy(child)
        painted = child.get("fill") or child.get("stroke") or child.get("clip-path")
        hollow = child.tag == f"{SPACE}path" and not painted
        empty = child.tag == f"{SPACE}g" and not len(child)
        if hollow or empty:
            node.remove(child)


def _own_ids(root: ET.Element, name: str) -> None:
    """Number the ids anew: the renderer counts on from chart to chart, so two runs would differ."""
    new: dict[str, str] = {}
    for node in root.iter():
        if "id" in node.attrib:
            new[node.attrib["id"]] = f"{name}-{len(new)}"
            node.set("id", new[node.attrib["id"]])
    for node in root.iter():
        for key, value in node.attrib.items():
            if value.startswith("url(#"):
                node.set(key, f"url(#{new[value[5:-1]]})")
