"""`gammapo audit FILE [--run DIR]`: what is wrong with preference labels, before and after training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from gammapo.cli.console import Format

if TYPE_CHECKING:
    from gammapo.audit import AuditReport, Cleaned
    from gammapo.types import Message


def command(
    source: str = typer.Argument(help="Pairs: a file, a `datasets` folder, a hub id, or a YAML mixture."),
    split: str = typer.Option(None, "--split", help="Split of a folder or hub id."),
    evaluation: list[str] = typer.Option(
        None, "--eval", help="Evaluation data whose prompts must not be trained on; repeat for several."
    ),
    model: str = typer.Option(None, "--model", help="Check template, BOS and limits with this tokenizer."),
    max_length: int = typer.Option(2048, "--max-length", help="Limit of tokens for prompt and answer."),
    html: Path = typer.Option(None, "--html", help="Write a page with charts and examples."),
    examples: int = typer.Option(3, "--examples", help="Examples a finding on the page; 0 for counts only."),
    clean: Path = typer.Option(None, "--clean", help="Write a cleaned JSONL file and a record of the rest."),
    drop: list[str] = typer.Option(
        None, "--drop", help="Checks whose pairs the cleaned file leaves out; repeat for several."
    ),
    overwrite: bool = typer.Option(False, "--overwrite", help="Replace outputs that exist."),
    format: Format = typer.Option(Format.table, "--format", help="How to print the result."),
) -> None:
    """Find pairs that should not be trained on as they are, and say why for each.

    The cleaned file leaves out, unless --drop says otherwise: near_identical, contradiction, repeat, leakage,
    template. Unusable rows are never in it.
    """
    from gammapo import data, files, models
    from gammapo.audit import DROPPED_BY_DEFAULT, audit_pairs, write_clean
    from gammapo.audit.clean import record_path
    from gammapo.cli.console import print_json, stderr

    outputs = [html, clean, record_path(clean) if clean else None]
    for path in () if overwrite else [path for path in outputs if path is not None]:
        files.refuse_existing(path)
    loaded = data.load_pairs(source, split=split, on_bad="drop")
    stderr.print(f"read {loaded.report.describe()}")
    report = audit_pairs(
        loaded,
        tokenizer=models.load_tokenizer(model) if model else None,
        max_length=max_length,
        held_out=_held_out(evaluation) if evaluation else None,
    )
    cleaned = None
    if clean is not None:
        cleaned = write_clean(report, clean, drop or DROPPED_BY_DEFAULT, overwrite=overwrite)
    if html is not None:
        from gammapo.audit.page import write_page

        write_page(html, report, examples=examples, overwrite=overwrite)
        stderr.print(f"page: {html}")
    if format is Format.json:
        print_json({**report.as_dict(), "cleaned": _cleaned(cleaned)})
    else:
        print_report(report, cleaned)


def _held_out(sources: list[str]) -> list[tuple[str, Sequence[Message]]]:
    from gammapo import generation

    prompts = []
    for source in sources:
        items = generation.load_prompts(source).items
        prompts += [(f"{source}:{number}", item.messages) for number, item in enumerate(items, start=1)]
    return prompts


def _cleaned(cleaned: Cleaned | None) -> dict[str, Any] | None:
    if cleaned is None:
        return None
    return {
        "file": str(cleaned.file),
        "record": str(cleaned.record),
        "kept": cleaned.kept,
        "dropped": cleaned.dropped,
    }


def print_report(report: AuditReport, cleaned: Cleaned | None) -> None:
    from gammapo.cli.console import print_table

    rows: list[list[Any]] = []
    for one in report.findings:
        if one.skipped:
            rows.append([one.title, "–", "", f"not run: {one.skipped}"])
            continue
        of = report.load.rows if one.name == "unusable" else len(report.pairs)
        share = "" if one.name == "length_bias" else f"{100 * one.pairs / max(of, 1):.2f} %"
        rows.append([one.title, "" if one.name == "length_bias" else str(one.pairs), share, one.note])
    print_table(["check", "pairs", "share", "note"], rows)
    if cleaned is not None:
        dropped = ", ".join(f"{count} {name}" for name, count in cleaned.dropped.items()) or "nothing"
        print(
            f"\n{cleaned.file}: {cleaned.kept} pairs kept; left out: {dropped} (listed in {cleaned.record})"
        )
