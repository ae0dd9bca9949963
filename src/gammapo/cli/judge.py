"""`gammapo judge outputs.json --against reference.json --judge SPEC -o annotations.json`."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from gammapo.cli.console import Format

if TYPE_CHECKING:
    from gammapo.judging import Comparison
    from gammapo.types import Judgement


def command(
    outputs: Path = typer.Argument(help="The model's outputs file."),
    against: Path = typer.Option(..., help="The reference's outputs file, for the same instructions."),
    judge: str = typer.Option(
        ...,
        help="rules:FILE, reward:PATH, openai:MODEL@URL, annotations:FILE or module:attribute.",
    ),
    output: Path = typer.Option(None, "-o", "--output", help="The annotations file to write."),
    partial: bool = typer.Option(False, help="Judge what is there if some instructions have no output."),
    dry_run: bool = typer.Option(False, help="Only say what judging would cost."),
    record: Path = typer.Option(
        None, help="openai: SQLite file of paid replies; beside the output by default."
    ),
    both_orders: bool = typer.Option(False, help="openai: ask twice, each answer first once, and average."),
    question: Path = typer.Option(
        None, help="openai: a prompt template in AlpacaEval's form, in place of our question."
    ),
    letters: str = typer.Option(
        None, help="openai: what names the first answer and the second, as m,M (A,B if not given)."
    ),
    hard_labels: bool = typer.Option(False, help="openai: accept a server without log-probs."),
    max_calls: int = typer.Option(None, help="openai: refuse to make more calls than this."),
    max_cost: float = typer.Option(None, help="openai: refuse to spend more, by estimate; needs the prices."),
    price_in: float = typer.Option(None, help="openai: price of a million prompt tokens."),
    price_out: float = typer.Option(None, help="openai: price of a million completion tokens."),
    concurrency: int = typer.Option(None, min=1, help="openai: calls in flight at once (8)."),
    deadline: float = typer.Option(None, min=0.1, help="openai: seconds an attempt may take (120)."),
    attempts: int = typer.Option(None, min=1, help="openai: tries a call (6)."),
    max_failures: int = typer.Option(
        None, min=0, help="openai: calls that may stay without a reply before judging is broken off (10)."
    ),
    overwrite: bool = typer.Option(False, help="Replace the annotations file if it exists."),
    format: Format = typer.Option(Format.table, help="How to print the summary."),
) -> None:
    """Judge a model's answers against a reference's. A run that was cut pays only for what is missing."""
    from gammapo import files, judging
    from gammapo.cli.console import print_json, print_table, stderr
    from gammapo.errors import InputError, RunError

    if output is None and not dry_run:
        raise InputError("is missing", field="-o", fix="give -o FILE, or --dry-run")
    if output is not None:
        files.refuse_input(output, [outputs, against, *_file_of(judge), *filter(None, [question])])
        if record is not None and record.resolve() == output.resolve():
            raise InputError(  # the judgements would replace the replies that they were read from
                f"is the output {output} too", field="--record", fix="name another file, or leave it out"
            )
        if not (overwrite or dry_run):
            files.refuse_existing(output)
    comparisons = judging.pair_outputs(outputs, against, partial=partial)
    options: dict[str, Any] = {
        "concurrency": concurrency,
        "deadline": deadline,
        "attempts": attempts,
        "max_failures": max_failures,
        "order": "both" if both_orders else None,
        "hard_labels": hard_labels or None,
        "record": record,
        "question": question,
        "letters": None if letters is None else _two(letters),
    }
    prices = {"price_in": price_in, "price_out": price_out, "max_calls": max_calls, "max_cost": max_cost}
    made = judging.create(judge, **_options(judge, output, options, prices))
    if dry_run:
        _dry_run(made, comparisons, format)
        return
    with _ending_softly():
        judgements = made.judge(comparisons, progress=_progress())
    summary = _summary(judgements, output)
    if not summary["judged"]:
        why = "; ".join(f"{note} ({count} times)" for note, count in summary["notes"].items())
        raise RunError(
            f"none of {len(judgements)} comparisons was judged, so {output} is not written"
            + (f": {why}" if why else "")
        )
    files.write_json(output, judging.annotation_rows(judgements))
    if format is Format.json:
        print_json(summary)
    else:
        print_table(list(summary), [[_cell(value) for value in summary.values()]])
    for note, count in summary["notes"].items():
        stderr.print(f"{count} of {len(judgements)}: {note}", style="yellow")


@contextmanager
def _ending_softly() -> Iterator[None]:
    """A scheduler's SIGTERM is an interrupt here, after which replies on their way are still recorded."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


def _two(letters: str) -> tuple[str, ...]:
    from gammapo.errors import InputError

    found = tuple(letters.split(","))
    if len(found) != 2:
        raise InputError(f"got {letters!r}", field="--letters", expected="two with a comma between, as m,M")
    return found


def _file_of(judge: str) -> list[str]:
    """The file that a SPEC reads, if it reads one."""
    kind, _, rest = judge.partition(":")
    return [rest] if kind in ("rules", "annotations") else []


def _options(
    judge: str, output: Path | None, options: dict[str, Any], prices: dict[str, Any]
) -> dict[str, Any]:
    """What the user asked for, and what every chat judge gets unasked: a record, and a word on the cost."""
    from gammapo import judging
    from gammapo.cli.console import stderr

    given = {key: value for key, value in options.items() if value is not None}
    if any(value is not None for value in prices.values()):
        given["budget"] = judging.Budget(**prices)
    if judge.startswith("openai:"):
        given["on_estimate"] = lambda expected: stderr.print(f"estimate: {expected.describe()}")
        if output is not None:
            given.setdefault("record", output.with_name(output.name + ".replies.sqlite"))
    return given


def _dry_run(judge: Any, comparisons: list[Comparison], format: Format) -> None:
    from dataclasses import asdict

    from gammapo.cli.console import print_json
    from gammapo.judging import Estimate

    calls = hasattr(judge, "estimate")
    free = Estimate(calls=0, prompt_tokens=0, completion_tokens=0, cost=0.0)
    expected = judge.estimate(comparisons) if calls else free
    if format is Format.json:
        print_json({"comparisons": len(comparisons), **asdict(expected)})
    elif calls:
        print(expected.describe())
    else:
        print(f"{len(comparisons)} comparisons; this judge makes no calls")


def _summary(judgements: list[Judgement], output: Path) -> dict[str, Any]:
    from collections import Counter

    judged = [one.preference for one in judgements if one.preference is not None]
    notes = Counter(
        note for one in judgements for note in str(one.extra.get("note") or "").split("; ") if note
    )
    by_order = [one.extra["preference_by_order"] for one in judgements if "preference_by_order" in one.extra]
    summary: dict[str, Any] = {
        "output": str(output),
        "comparisons": len(judgements),
        "judged": len(judged),
        "mean_preference": round(sum(judged) / len(judged), 4) if judged else None,
    }
    if by_order:  # how much more likely an answer wins for being shown first
        bias = sum(second - first for first, second in by_order) / len(by_order)
        summary["first_place_bonus"] = round(bias / 2, 4)
    return {**summary, "notes": dict(notes)}


def _cell(value: Any) -> Any:
    return (", ".join(value) or "none") if isinstance(value, dict) else value


def _progress():
    import time

    from gammapo.cli.console import stderr

    told = time.monotonic()

    def tell(done: int, total: int) -> None:
        nonlocal told
        if done == total or time.monotonic() - told > 5:
            told = time.monotonic()
            stderr.print(f"{done} of {total} judged")

    return tell
