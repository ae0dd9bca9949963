"""The report of a benchmark: noise curves, who wins where, a ranking with intervals, and what it cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gammapo.report import charts, robustness
from gammapo.report.blocks import Cell
from gammapo.report.numbers import duration, number, span
from gammapo.report.page import Page
from gammapo.report.palette import Style, loss_styles
from gammapo.report.parts import legend_of
from gammapo.report.results import metric as shown_as
from gammapo.report.robustness import Standing, Table

Row = Mapping[str, Any]
FAILED = 10  # places that are named; the folder failures/ has them all
LOUD = 10  # losses drawn in colour; more lines cannot be told apart


def benchmark_report(results: Sequence[Row], **options: Any) -> str:
    """The benchmark's report as one HTML page; see `benchmark_page` for the options, and for Markdown."""
    return benchmark_page(results, **options).render()


def benchmark_page(
    results: Sequence[Row],
    *,
    metric: str = "gold_reward",
    title: str = "Robustness to wrong labels",
    command: str = "gammapo bench GRID.yaml",
    ranking: Sequence[Row] | None = None,
    highlight: Sequence[str] = (),
    cells: Sequence[Row] = (),
    baseline: str = "",
    failures: Sequence[Row] = (),
) -> Page:
    """The page of a benchmark.

    Args:
        results: one row a run: `world`, `loss`, `noise`, `rate`, `seed`, and metrics; `seconds` for the cost.
        metric: what is compared; more is better.
        command: what remakes the rows.
        ranking: the caller's own (say, corrected for multiplicity): `loss`, `score`, `ci95`, and where known
            `difference`, `difference_ci95` to the leader. Without it, t intervals over seeds.
        highlight: losses to be drawn in colour whatever their rank, when there are more than LOUD.
        cells: means over seeds of what else was measured (`benchmark.statistics.cells`).
        baseline: the loss over which `cells` have win rates.
        failures: runs without a row: `world`, `loss`, `noise`, `rate`, `seed` and `error`.

    Raises:
        InputError: a row that cannot be used.
    """
    robustness.check_rows(results)
    table = robustness.tabulate(results, metric)
    standings, shared = robustness.rank(table, results)
    order = [standing.loss for standing in standings] or sorted({loss for c in table.values() for loss in c})
    first = [loss for loss in order if loss in highlight]
    styles = loss_styles([*first, *(loss for loss in order if loss not in first)][:LOUD])
    del styles[None]
    page = Page(title, _subtitle(results))
    _finding(page, standings, shared, metric)
    lacking = robustness.missing(table)
    if lacking:
        page.warning(
            f"{lacking} run{'s' * (lacking != 1)} failed or still to come: curves and cells are means over "
            "the seeds that each loss has, and only the ranking compares all losses on the same seeds."
        )
    _failed(page, failures)
    devices = sorted({str(row.get("device") or "cpu") for row in results})
    if len(devices) > 1:
        page.warning(
            f"Runs were made on {' and on '.join(devices)}, which round otherwise: the same seed samples "
            "other answers there, so that losses are best compared on one of them."
        )
    page.section("Ranking")
    if ranking is not None:
        _given_ranking(page, ranking, metric)
    elif standings:
        _ranking(page, standings, shared, styles, metric)
    else:
        page.text("No condition was run with every loss, so there is no common ground for a ranking.")
    _curves(page, table, styles, order, metric)
    _heat(page, table, order)
    _cells(page, table, order, metric)
    _others(page, cells, order, baseline)
    _cost(page, standings, results)
    page.section("Make it again")
    page.code(command)
    return page


def _subtitle(results: Sequence[Row]) -> str:
    def count(key: str, word: str) -> str:
        found = {str(row[key]) for row in results if key != "noise" or row["rate"]}
        return f"{len(found)} {word}" + ("" if len(found) == 1 else "s" if word != "loss" else "es")

    words = [
        count("loss", "loss"),
        count("noise", "noise kind"),
        count("seed", "seed"),
        count("world", "world"),
    ]
    return " · ".join([*words, f"{len(results)} runs"])


def _failed(page: Page, failures: Sequence[Row]) -> None:
    """Where runs failed, and why; a condition in which no loss came through shows nowhere else."""
    where: dict[tuple, list[Row]] = {}
    for one in failures:
        where.setdefault((one["loss"], one["world"], one["noise"], one["rate"]), []).append(one)
    for (loss, world, noise, rate), some in list(where.items())[:FAILED]:
        label = robustness.Cell(world=world, noise=noise, rate=rate).label
        seeds = ", ".join(str(one["seed"]) for one in some)
        why = str(some[0]["error"]).partition("\n")[0]
        page.warning(
            f"**{loss}** failed in {world}, {label}, seed{'s' * (len(some) > 1)} {seeds}: {why}",
            level="serious",
        )
    if len(where) > FAILED:
        page.warning(f"Runs failed in {len(where) - FAILED} more places.", level="serious")


def _finding(page: Page, standings: Sequence[Standing], cells: Sequence, metric: str) -> None:
    if len(standings) < 2:
        return
    first, name = standings[0], shown_as(metric).name
    tied = [standing.loss for standing in standings[1:] if standing.tied]
    value = number(first.score.mean, 3)
    start = f"Over {len(cells)} conditions **{first.loss}** has the highest mean {name}, {value}"
    top = f"it is best, or cannot be told from the best, in {first.top} of them"
    if tied:
        others = ", ".join(f"**{loss}**" for loss in tied)
        page.finding(f"{start}, but cannot be told apart from {others}; {top}.", tone="open")
        return
    behind = standings[1].behind
    assert behind is not None  # the second is never the leader
    gap = number(-behind.mean, 3, sign=True)
    low, high = (None if end is None else -end for end in (behind.high, behind.low))
    width = f"95 % interval of the paired difference {span(low, high, 3, sign=True)}"
    page.finding(f"{start}, {gap} over the next, **{standings[1].loss}** ({width}); {top}.", tone="good")


def _ranking(
    page: Page, standings: Sequence[Standing], cells: Sequence, styles: Mapping[Any, Style], metric: str
) -> None:
    several = len({cell.world for cell in cells}) > 1
    rows = []
    for place, one in enumerate(standings, 1):
        swatch = styles[one.loss].colour if one.loss in styles else ""
        behind = Cell(text="leader")
        if one.behind is not None:
            ends = span(one.behind.low, one.behind.high, 3, sign=True)
            behind = Cell(text=number(one.behind.mean, 3, sign=True), note=ends)
        where = f"{one.worst_cell.world}: {one.worst_cell.label}" if several else one.worst_cell.label
        rows.append(
            [
                Cell(text=f"{place}. {one.loss}", swatch=swatch),
                Cell(
                    text=number(one.score.mean, 3),
                    note=span(one.score.low, one.score.high, 3),
                    strong=one.tied,
                ),
                behind,
                number(one.clean, 3),
                number(one.noisiest, 3),
                Cell(text=number(one.worst, 3), note=where),
                f"{one.top} of {len(cells)}",
            ]
        )
    seeds = standings[0].score.count
    page.table(
        ["Loss", "Mean", "Behind the leader", "Clean", "Most noise", "Worst", "Best or tied"],
        rows,
        right=[False, True, True, True, True, True, True],
        caption=f"{shown_as(metric).name.capitalize()} over the {len(cells)} conditions that every loss met. "
        f"Intervals: 95 %, Student's t over {seeds} seed{'s' * (seeds != 1)}; differences are paired by "
        "seed, and not corrected for the number of losses. Bold: cannot be told from the leader.",
    )


def _given_ranking(page: Page, ranking: Sequence[Row], metric: str) -> None:
    rows = []
    for place, row in enumerate(ranking, 1):
        low, high = row.get("ci95") or (None, None)
        cells = [f"{place}. {row['loss']}", Cell(text=number(row["score"], 3), note=span(low, high, 3))]
        low, high = row.get("difference_ci95") or (None, None)
        note = span(low, high, 3, sign=True)
        rows.append([*cells, Cell(text=number(row.get("difference"), 3, sign=True), note=note)])
    name = shown_as(metric).name.capitalize()
    page.table(
        ["Loss", name, "Behind the leader"], rows, right=[False, True, True], caption="95 % intervals."
    )


def _curves(page: Page, table: Table, styles: Mapping[Any, Style], order: Sequence[str], metric: str) -> None:
    panels = charts.noise_curves(robustness.curve_rows(table), styles, subtitle=shown_as(metric).name)
    if not panels:
        return
    page.section("As labels get worse")
    rest = f" The other {len(order) - LOUD} losses are drawn in grey." if len(order) > LOUD else ""
    caption = (
        f"Mean over seeds; the band is its 95 % interval (Student's t).{rest} All panels share one scale."
    )
    loud = [loss for loss in order if loss in styles]
    page.chart(list(panels.values()), caption, legend=legend_of(loud, styles, shapes=True))


def _heat(page: Page, table: Table, order: Sequence[str]) -> None:
    page.section("Who wins where")
    drawn = []
    for world in dict.fromkeys(cell.world for cell in sorted(table)):
        cells = _columns(table, world)
        columns = [cell.label for cell in cells]
        rows = robustness.heat_rows(table, cells)
        drawn.append(charts.heat_map(rows, title=world, losses=order, columns=columns))
    caption = (
        "Mean over seeds, each noise kind at its greatest rate. ★ is the best of a column; **=** cannot be "
        "told from it (the paired 95 % interval over seeds includes zero). "
        "The deeper a cell, the nearer the best."
    )
    page.chart(drawn, caption, wide=True)


def _columns(table: Table, world: str) -> list[robustness.Cell]:
    """Clean labels, then each noise kind at its greatest rate."""
    here = [cell for cell in sorted(table) if cell.world == world]
    last = {cell.noise: cell for cell in here if cell.rate}  # sorted, so the greatest rate stays
    return [*(cell for cell in here if not cell.rate), *last.values()]


def _cells(page: Page, table: Table, order: Sequence[str], metric: str) -> None:
    page.section("Every condition")
    several = len({cell.world for cell in table}) > 1
    rows = []
    for cell in sorted(table, key=lambda cell: (cell.world, cell.noise, cell.rate)):
        best, tied = robustness.best_of(table[cell])
        row: list[Any] = [f"{cell.world}: {cell.label}" if several else cell.label]
        for loss in order:
            seeds = table[cell].get(loss)
            if not seeds:
                row.append(None)
                continue
            found = robustness.mean_interval(list(seeds.values()))
            note = "" if found.low is None else f"± {number(found.mean - found.low, 3)}"
            row.append(Cell(text=number(found.mean, 3), note=note, strong=loss == best or loss in tied))
        rows.append(row)
    caption = (
        f"Mean {shown_as(metric).name} ± half its 95 % interval. Bold: best or not to be told from the best."
    )
    page.table(["Condition", *order], rows, right=[False, *(True for _ in order)], caption=caption)


MEASURES = {
    "win_rate": ("WR over base", 100, 1),
    "length_controlled_winrate": ("LC over base", 100, 1),
    "win_rate_over_baseline": ("WR over {}", 100, 1),
    "length_controlled_winrate_over_baseline": ("LC over {}", 100, 1),
    "held_out_accuracy": ("Held-out accuracy, %", 100, 1),
    "kl": ("KL to base, nats", 1, 2),
    "length": ("Length, tokens", 1, 1),
    "chosen_drift": ("Drift of chosen, nats/token", 1, 3),
    "flip_auroc": ("AUROC of flips", 1, 3),
    "flip_calibration_error": ("Calibration error", 1, 3),
}


def _others(page: Page, cells: Sequence[Row], order: Sequence[str], baseline: str) -> None:
    """What else was measured, as far as any cell has it."""
    known = [key for key in MEASURES if any(cell.get(key) is not None for cell in cells)]
    if not known:
        return
    page.section("Beside the gold reward")
    several = len({cell["world"] for cell in cells}) > 1
    rows = []
    for cell in sorted(cells, key=lambda c: (c["world"], c["noise"], c["rate"], order.index(c["loss"]))):
        place = f"{cell['noise']} {100 * cell['rate']:g} %" if cell["rate"] else "clean"
        row: list[Any] = [f"{cell['world']}: {place}" if several else place, cell["loss"]]
        for key in known:
            _, factor, digits = MEASURES[key]
            value = cell.get(key)
            row.append(None if value is None else number(factor * value, digits))
        rows.append(row)
    heads = [MEASURES[key][0].format(baseline) for key in known]
    caption = (
        "Means over seeds. WR: share of held-out prompts whose answer has more gold, draws half; LC: the "
        "same at equal length. Accuracy: on clean labels of unseen pairs, by the loss's own reward. AUROC "
        "and calibration: of the loss's belief in each training label, against which labels were made wrong."
    )
    page.table(
        ["Condition", "Loss", *heads], rows, right=[False, False, *(True for _ in known)], caption=caption
    )


def _cost(page: Page, standings: Sequence[Standing], results: Sequence[Row]) -> None:
    timed = [standing for standing in standings if standing.seconds is not None]
    if not timed:
        return
    page.section("What it cost")
    least = min(standing.seconds for standing in timed if standing.seconds is not None)
    rows = [
        [one.loss, duration(one.seconds), f"{one.seconds / least:.2f} ×" if least else None]
        for one in timed
        if one.seconds is not None
    ]
    total = sum(row["seconds"] for row in results if isinstance(row.get("seconds"), int | float))
    caption = f"Mean time of a run, and against the quickest loss. All runs together: {duration(total)}."
    page.table(["Loss", "Time of a run", "Relative"], rows, right=[False, True, True], caption=caption)
