"""What the charts share: panels of one size, so that they align on a page, and honest thinning of rows."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

Row = Mapping[str, Any]
PANEL = (340, 225)  # outer width and height in CSS pixels
FIT = alt.AutoSizeParams(type="fit", contains="padding")
NO_LEGEND = None
LARGEST = sys.float_info.max  # JSON may hold integers beyond it


def data(rows: Sequence[Row]) -> alt.Data:
    return alt.Data(values=[dict(row) for row in rows])


def panel(
    *layers: alt.Chart, title: str, subtitle: str = "", width: int = PANEL[0], height: int = PANEL[1]
) -> alt.LayerChart:
    """The layers as one chart of a fixed outer size."""
    head = alt.TitleParams(text=title, subtitle=subtitle) if subtitle else alt.TitleParams(text=title)
    return alt.LayerChart(layer=list(layers), width=width, height=height, autosize=FIT, title=head)


def as_given(field: str) -> alt.Color:
    """Colour each mark with the value its row holds."""
    return alt.Color(f"{field}:N", scale=NO_LEGEND, legend=None)


def known(rows: Sequence[Row], *fields: str) -> list[Row]:
    """The rows in which every field is a finite number."""
    return [row for row in rows if all(finite(row.get(field)) for field in fields)]


def finite(value: Any) -> bool:
    """Whether it is a number that a float can hold, and no truth value."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST


def thin(rows: Sequence[Row], fields: Sequence[str], most: int = 120) -> list[Row]:
    """At most `most` rows: neighbours are averaged, so that no peak is dropped by chance."""
    size = math.ceil(len(rows) / most) if rows else 1
    if size <= 1:
        return list(rows)
    groups = [rows[start : start + size] for start in range(0, len(rows), size)]
    return [
        {**group[-1], **{f: sum(row[f] for row in group) / len(group) for f in fields}} for group in groups
    ]
