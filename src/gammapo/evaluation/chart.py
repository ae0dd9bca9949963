"""Intervals drawn as inline SVG (for a page) and as characters (for a terminal)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

INK, MUTED, GRID, BAR, DOUBT = "#1f2430", "#6b7280", "#e5e7eb", "#3b6ea5", "#b45309"
STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)  # between ticks
ROW, LEFT, RIGHT, TOP = 30, 250, 84, 34


@dataclass(frozen=True, kw_only=True)
class Point:
    """One estimate with its interval, in points; `doubtful` marks a model whose outputs raise warnings."""

    label: str
    estimate: float
    low: float
    high: float
    doubtful: bool = False


def interval_svg(points: Sequence[Point], *, title: str, width: int = 820, axis: str = "points") -> str:
    """A self-contained <svg>: one row a model, a dot at the estimate, a line over its 95 % interval."""
    first, last, ticks = _scale(points)
    plot = width - LEFT - RIGHT
    height = TOP + ROW * len(points) + 44

    def x(value: float) -> float:
        return LEFT + plot * (value - first) / (last - first)

    bottom = TOP + ROW * len(points)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" aria-label="{escape(title, quote=True)}" '
        'font-family="system-ui, sans-serif" font-size="13" style="max-width:100%;height:auto">',
        f"<title>{escape(title)}</title>",
        f'<text x="0" y="16" fill="{INK}" font-weight="600">{escape(title)}</text>',
    ]
    for tick in ticks:
        parts.append(
            f'<line x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{TOP}" y2="{bottom}" stroke="{GRID}"/>'
            f'<text x="{x(tick):.1f}" y="{bottom + 18}" fill="{MUTED}" text-anchor="middle">{tick:g}</text>'
        )
    for row, point in enumerate(points):
        y = TOP + ROW * row + ROW / 2
        colour = DOUBT if point.doubtful else BAR
        label = _shorten(point.label) + (" (!)" if point.doubtful else "")
        parts.append(
            f'<text x="{LEFT - 12}" y="{y + 4:.1f}" fill="{INK}" text-anchor="end">{escape(label)}'
            f"<title>{escape(point.label)}</title></text>"
            f'<line x1="{x(point.low):.1f}" x2="{x(point.high):.1f}" y1="{y:.1f}" y2="{y:.1f}" '
            f'stroke="{colour}" stroke-width="3" stroke-linecap="round" opacity="0.55"/>'
            f'<circle cx="{x(point.estimate):.1f}" cy="{y:.1f}" r="5" fill="{colour}"/>'
            f'<text x="{width - RIGHT + 12}" y="{y + 4:.1f}" fill="{INK}">{point.estimate:.1f}'
            f'<tspan dx="4" fill="{MUTED}" font-size="11">±{(point.high - point.low) / 2:.1f}</tspan></text>'
        )
    parts.append(
        f'<text x="{LEFT + plot / 2:.1f}" y="{bottom + 36}" fill="{MUTED}" text-anchor="middle">'
        f"{escape(axis)}</text></svg>"
    )
    return "".join(parts)


def interval_lines(points: Sequence[Point], *, width: int = 40) -> list[str]:
    """The same for a terminal: `━` over the interval, `●` at the estimate, on one common scale."""
    first, last, _ = _scale(points)
    names = max(len(point.label) for point in points)

    def cell(value: float) -> int:
        return round((width - 1) * (value - first) / (last - first))

    lines = []
    for point in points:
        cells = [" "] * width
        for place in range(cell(point.low), cell(point.high) + 1):
            cells[place] = "━"
        cells[cell(point.estimate)] = "●"
        mark = "!" if point.doubtful else " "
        numbers = f"{point.estimate:6.1f}  [{point.low:.1f}, {point.high:.1f}]"
        lines.append(f"{point.label:<{names}} {mark}│{''.join(cells)}│{numbers}")
    ends = f"{first:<{width // 2}g}{last:>{width - width // 2}g}"
    return [*lines, " " * (names + 3) + ends]


def _scale(points: Sequence[Point]) -> tuple[float, float, list[float]]:
    """Ends of the axis and its ticks, at a round step, covering every interval."""
    low, high = min(point.low for point in points), max(point.high for point in points)
    span = max(high - low, 1e-9)
    step = next(s for s in STEPS if span / s <= 8 or s == STEPS[-1])
    first = step * int(low // step)
    last = step * -int(-high // step)
    last = last if last > first else first + step
    count = round((last - first) / step)
    return first, last, [round(first + step * k, 6) for k in range(count + 1)]


def _shorten(label: str, most: int = 34) -> str:
    return label if len(label) <= most else label[: most - 1] + "…"
