"""Leaderboard and comparison as one HTML file each, with inline SVG and nothing to download."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from gammapo.evaluation.arena import Rating
from gammapo.evaluation.bootstrap import Interval
from gammapo.evaluation.chart import Point, interval_svg
from gammapo.evaluation.comparison import NAMES, Comparison
from gammapo.evaluation.evaluate import Evaluation, labels

STYLE = """
:root{color-scheme:light}
body{font:15px/1.5 system-ui,sans-serif;color:#1f2430;max-width:920px;margin:40px auto;padding:0 20px}
h1{font-size:24px;margin:0 0 4px} h2{font-size:17px;margin:32px 0 8px}
p.note{color:#6b7280;margin:4px 0 20px}
table{border-collapse:collapse;width:100%} th,td{padding:7px 10px;border-bottom:1px solid #e5e7eb}
th{text-align:left;color:#6b7280;font-weight:600}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
small{color:#6b7280} li.warn{color:#92400e} ul{padding-left:20px}
"""
HEAD = ("", "model", "LC win rate", "win rate", "wins / draws / losses", "characters")


def leaderboard_page(evaluations: Sequence[Evaluation]) -> str:
    """Models ranked by length-controlled win rate (by win rate where there is none), best first."""
    ranked = sorted(evaluations, key=_score, reverse=True)
    references = ", ".join(dict.fromkeys(evaluation.reference for evaluation in ranked))
    named = list(zip(labels(ranked), ranked, strict=True))
    drawn = [(name, e, e.lc_ci or e.win_rate_ci) for name, e in named]
    points = [_point(name, ci, bool(e.suspicions)) for name, e, ci in drawn if ci is not None]
    chart = interval_svg(points, title="Win rate, 95 % intervals", axis="points") if points else ""
    rows = "".join(_row(place, name, e) for place, (name, e) in enumerate(named, 1))
    warnings = [f"{name}: {warning}" for name, e in named for warning in e.warnings]
    head = "".join(
        f'<th class="{kind}">{name}</th>'
        for name, kind in zip(HEAD, ("n", "", "n", "n", "n", "n"), strict=True)
    )
    return _page(
        "Leaderboard",
        f"{len(ranked)} models against {references}; LC is the win rate at equal length",
        f"{chart}<h2>Table</h2><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        + _warnings(warnings),
    )


def comparison_page(comparison: Comparison) -> str:
    """The standings as a chart, then a verdict on every pair."""
    rows = "".join(
        f"<tr><td>{escape(v.sentence)}</td>"
        f'<td class="n">{v.difference.low:.1f} to {v.difference.high:.1f}</td>'
        f'<td class="n">{v.p_holm:.2g}</td></tr>'
        for v in comparison.verdicts
    )
    doubts = [f"{s.name}: {warning}" for s in comparison.standings for warning in s.warnings]
    return _page(
        "Comparison",
        f"{NAMES[comparison.metric]} against {comparison.reference} on {comparison.n_common} common "
        f"instructions; {comparison.n_bootstrap} paired resamples, p-values corrected by Holm",
        comparison_svg(comparison)
        + '<h2>Verdicts</h2><table><thead><tr><th>pair</th><th class="n">95 % of the difference</th>'
        f'<th class="n">p (Holm)</th></tr></thead><tbody>{rows}</tbody></table>'
        + _warnings([*comparison.warnings, *doubts]),
    )


def comparison_svg(comparison: Comparison) -> str:
    name = NAMES[comparison.metric]
    return interval_svg(comparison_points(comparison), title=name[0].upper() + name[1:] + ", 95 % intervals")


def comparison_points(comparison: Comparison) -> list[Point]:
    return [_point(s.name, s.interval, bool(s.warnings)) for s in comparison.standings]


def arena_points(found: Sequence[Rating]) -> list[Point]:
    return [_point(rating.name, rating.interval, False) for rating in found]


def arena_svg(found: Sequence[Rating]) -> str:
    return interval_svg(arena_points(found), title="Rating, 95 % intervals", axis="Elo points, mean 0")


def arena_page(found: Sequence[Rating], warnings: Sequence[str] = ()) -> str:
    """Bradley-Terry ratings as a chart and a table, and what puts them in doubt."""
    rows = "".join(
        f'<tr><td>{escape(r.name)}</td><td class="n">{_cell(r.interval.estimate, r.interval)}</td>'
        f'<td class="n">{r.n_comparisons}</td></tr>'
        for r in found
    )
    return _page(
        "Arena",
        "Bradley-Terry ratings in Elo points; 100 points more win about 64 % of comparisons",
        arena_svg(found) + '<h2>Table</h2><table><thead><tr><th>model</th><th class="n">rating</th>'
        f'<th class="n">comparisons</th></tr></thead><tbody>{rows}</tbody></table>' + _warnings(warnings),
    )


def _point(label: str, interval: Interval, doubtful: bool) -> Point:
    return Point(
        label=label, estimate=interval.estimate, low=interval.low, high=interval.high, doubtful=doubtful
    )


def _score(evaluation: Evaluation) -> float:
    lc = evaluation.length_controlled
    return evaluation.win_rate.win_rate if lc is None else lc.length_controlled_winrate


def _row(place: int, name: str, e: Evaluation) -> str:
    lc = e.length_controlled
    controlled = "" if lc is None else _cell(lc.length_controlled_winrate, e.lc_ci)
    mark = ' <span title="see the warnings">⚠</span>' if e.suspicions else ""
    raw = e.win_rate
    return (
        f'<tr><td class="n">{place}</td><td>{escape(name)}{mark}</td>'
        f'<td class="n">{controlled}</td><td class="n">{_cell(raw.win_rate, e.win_rate_ci)}</td>'
        f'<td class="n">{raw.n_wins} / {raw.n_draws} / {raw.n_wins_base}</td>'
        f'<td class="n">{e.avg_length}</td></tr>'
    )


def _cell(value: float, interval: Interval | None) -> str:
    ends = "" if interval is None else f" <small>{interval.low:.1f} to {interval.high:.1f}</small>"
    return f"{value:.2f}{ends}"


def _warnings(warnings: Sequence[str]) -> str:
    if not warnings:
        return ""
    items = "".join(f'<li class="warn">{escape(warning)}</li>' for warning in warnings)
    return f"<h2>Warnings</h2><ul>{items}</ul>"


def _page(title: str, note: str, body: str) -> str:
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n"
        f'<body><h1>{escape(title)}</h1><p class="note">{escape(note)}</p>{body}</body></html>\n'
    )
