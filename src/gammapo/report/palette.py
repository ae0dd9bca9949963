"""Colours: one per loss over all charts, told apart by colour-blind readers, legible on light and dark.

The hues follow Okabe and Ito (2008), darkened or lightened until each has a contrast of at least 3:1 with
its background. A chart is drawn with the light values; in the page every value becomes a CSS variable, so
that the reader's theme decides. Losses beyond the last colour begin again with another dash and shape.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gammapo import registry

# (light, dark) values of the slots
SLOTS = (
    ("#0072b2", "#5cb0ea"),  # blue
    ("#d35400", "#ff9351"),  # vermilion
    ("#00875f", "#35c99a"),  # green
    ("#a8478f", "#e79bd0"),  # purple
    ("#a97400", "#f0bb45"),  # amber
    ("#3d8fc4", "#a9dbf8"),  # sky
    ("#7b5136", "#cfa685"),  # brown
)
DASHES = ((), (6, 3), (2, 2), (8, 3, 2, 3))
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right")

# What a chart is drawn with, and what the page makes of it
INK = "#1d2129"
MUTED = "#5f6673"
GRID = "#e3e5e9"
PAPER = "#fffffe"
NEUTRAL = "#6b7280"
BAD = "#c0392b"

CSS = {INK: "currentColor", MUTED: "var(--muted)", GRID: "var(--grid)", PAPER: "var(--paper)"}
CSS |= {NEUTRAL: "var(--neutral)", BAD: "var(--bad)"}
CSS |= {light: f"var(--c{slot})" for slot, (light, _) in enumerate(SLOTS)}


@dataclass(frozen=True, kw_only=True)
class Style:
    """How one series is drawn: `colour` is a light value of this file, `dash` an SVG dash pattern."""

    colour: str
    dash: tuple[int, ...] = ()
    shape: str = "circle"


def loss_styles(losses: Iterable[str | None]) -> dict[str | None, Style]:
    """A style for each loss. None stands for an untrained model and is grey.

    A loss asks for the slot of its place in the registry and takes the next free one if that is taken, so
    that it keeps its colour from page to page as far as the page's other losses allow. The first named come
    first: they get hues of their own, undashed, when there are more losses than hues.
    """
    known = {name: place for place, name in enumerate(registry.names("loss"))}
    names = list(dict.fromkeys(name for name in losses if name is not None))
    taken: list[int] = []
    styles: dict[str | None, Style] = {None: Style(colour=NEUTRAL, shape="diamond")}
    for index, name in enumerate(names):
        lap = index // len(SLOTS)
        used = taken[lap * len(SLOTS) :]
        slot = known.get(name, index) % len(SLOTS)
        while slot in used:
            slot = (slot + 1) % len(SLOTS)
        taken.append(slot)
        styles[name] = Style(
            colour=SLOTS[slot][0], dash=DASHES[lap % len(DASHES)], shape=SHAPES[(slot + lap) % len(SHAPES)]
        )
    return styles


def model_styles(results: Sequence[Mapping[str, Any]]) -> dict[str, Style]:
    """A style for each model of `results.json`: its loss's colour, dashed where its labels were clean
    while another model with the same loss saw corrupted ones."""
    losses = loss_styles(row.get("loss") for row in results)
    dirty = {row.get("loss") for row in results if (row.get("noise_rate") or 0) > 0}
    styles = {}
    for row in results:
        style = losses[row.get("loss")]
        clean = not row.get("noise_rate") and row.get("loss") is not None
        if clean and row.get("loss") in dirty:
            style = Style(colour=style.colour, dash=(5, 3), shape=style.shape)
        styles[str(row["model"])] = style
    return styles
