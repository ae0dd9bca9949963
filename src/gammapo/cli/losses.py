"""`gammapo losses [NAME]`: what exists, or one loss with its formula, options, limits and pull."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from gammapo.cli.console import Format

if TYPE_CHECKING:
    from gammapo.losses.pull import Pull

GAPS = [step / 4 for step in range(-24, 25)]  # reward gaps of the plot
HEIGHT = 11  # its lines


def command(
    name: str = typer.Argument(None, help="One loss, in full (a name, or module:attribute)."),
    format: Format = typer.Option(Format.table, help="How to print."),
) -> None:
    """List the losses by family, or show one with its options and how hard a pair pulls."""
    from gammapo import losses
    from gammapo.cli.console import print_json, print_table
    from gammapo.losses import describe
    from gammapo.losses.pull import pull_curve

    if name is None:
        families = describe.by_family()
        if format is Format.json:
            print_json([describe.summary(loss) for found in families.values() for loss in found])
            return
        for family, found in families.items():
            rows = [describe.summary(loss) for loss in found]
            print_table(
                ["", "formula", "needs", "source"],
                [[r["name"], r["formula"], describe.needs_in_words(r), r["source"]] for r in rows],
                title=f"\n{family}: {describe.FAMILIES.get(family, '')}",
            )
        typer.echo("\n`gammapo losses NAME` shows one in full; docs/losses.md shows all.")
        return

    loss = losses.create(name)
    row, curve = describe.details(loss), pull_curve(loss, GAPS)
    if format is Format.json:
        print_json({**row, "pull": {"reward_gap": curve.reward_gap, "pull": curve.pull}})
        return
    typer.echo(f"{row['name']} ({row['family']})\n\n    {row['formula']}\n")
    typer.echo(f"source  {row['source']}\nneeds   {describe.needs_in_words(row)}")
    if row["couples"]:
        memory = "couples the pairs of a step" + (" and keeps a state" if row["remembers"] else "")
        typer.echo(f"memory  {memory}")
    if row["limits"]:
        typer.echo(f"limits  {row['limits']}")
    typer.echo(f"notes   {row['notes']}\n")
    if row["options"]:
        print_table(
            ["option", "default", "unit", "meaning", "source"],
            [
                [item["name"], describe.plain(item["default"]), item["unit"], item["help"], item["source"]]
                for item in row["options"]
            ],
        )
    typer.echo(f"\nas it stands: {row['objective']}\n\n{plot(curve)}")


def plot(curve: Pull) -> str:
    """The pull over the reward gap, in characters: a column for each gap, 1 (or −1) the largest pull."""
    low = min(0.0, *curve.pull)
    high = max(0.0, *curve.pull)

    def level(value: float) -> int:
        return round((value - low) / (high - low or 1.0) * (HEIGHT - 1))

    grid = [[" "] * len(curve.pull) for _ in range(HEIGHT)]
    grid[level(0.0)] = ["─"] * len(curve.pull)
    for column, value in enumerate(curve.pull):
        grid[level(value)][column] = "●"
    labels = {level(high): f"{high:.2g}", level(low): f"{low:.2g}", level(0.0): "0"}
    lines = [f"{labels.get(index, ''):>6} │{''.join(grid[index])}" for index in reversed(range(HEIGHT))]
    left, right = f"{curve.reward_gap[0]:g}", f"{curve.reward_gap[-1]:g}"
    middle = "reward gap"
    axis = left + middle.center(len(curve.pull) - len(left) - len(right)) + right
    title = "pull on the gap, 1 = strongest; a flipped pair moves to the left as the model learns"
    return "\n".join([title, *lines, " " * 8 + axis])
