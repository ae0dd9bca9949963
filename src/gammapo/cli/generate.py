"""`gammapo generate --model M --prompts P -o model_outputs.json`: answers in AlpacaEval's format."""

from __future__ import annotations

from pathlib import Path

import typer

from gammapo.cli import backends
from gammapo.cli.console import Format, flags, given

ANSWERING = {"model", "output", "backend", "generator", "max_new_tokens", "temperature", "top_p", "seed"}
ANSWERING |= {"batch_size", "dtype", "max_refused", "overwrite"}  # options without a part in --check


def command(
    context: typer.Context,
    prompts: str = typer.Option(
        ...,
        help="Rows with instruction, prompt or messages, lines (.txt), or pairs: a file, folder or hub id.",
    ),
    model: str = typer.Option(None, help=backends.MODEL),
    output: Path = typer.Option(None, "-o", "--output", help="The outputs file to write."),
    check: Path = typer.Option(None, help="Write nothing; compare this outputs file with --prompts."),
    backend: str = typer.Option("transformers", help=backends.BACKEND),
    generator: str = typer.Option(None, help="Name the answers carry; the model's by default."),
    max_new_tokens: int = typer.Option(512, help="Longest answer, in tokens."),
    temperature: float = typer.Option(0.0, help="0 is greedy."),
    top_p: float = typer.Option(1.0, help="Nucleus sampling's share of the probability."),
    seed: int = typer.Option(0, help="Answers depend on model, prompt, sampling and this alone."),
    batch_size: int = typer.Option(None, min=1, help=backends.BATCH_SIZE),
    dtype: str = typer.Option(None, help=backends.DTYPE),
    max_refused: int = typer.Option(None, min=0, help=backends.MAX_REFUSED),
    split: str = typer.Option(None, help="Split of a folder or hub id."),
    limit: int = typer.Option(None, min=1, help="Only the first so many prompts."),
    overwrite: bool = typer.Option(False, help="Replace the output, and drop another run's answers."),
    format: Format = typer.Option(Format.table, help="How to print the summary."),
) -> None:
    """Answer every prompt of a set, in its order. A run that was cut goes on where it stood."""
    from gammapo import data, generation
    from gammapo.cli.console import print_json, print_table
    from gammapo.errors import InputError
    from gammapo.files import refuse_existing, refuse_input

    if check is not None:
        for name in sorted(ANSWERING & given(context)):
            flag = flags(context)[name]
            raise InputError("has no part in --check, which asks no model", field=flag, fix="remove it")
        _check(check, prompts, split, limit, format)
        return
    for name, value in (("--model", model), ("-o", output)):
        if value is None:
            raise InputError("is missing", field=name, fix=f"give {name}, or --check FILE")
    if str(output) == "-":
        raise InputError(
            "is no output here", field="-o", expected="a file, beside which a run that was cut can go on"
        )
    refuse_input(output, data.inputs_of(prompts))
    if not overwrite:
        refuse_existing(output)
    sampling = generation.Sampling(
        max_new_tokens=max_new_tokens, temperature=temperature, top_p=top_p, seed=seed
    )
    items = generation.load_prompts(prompts, split=split, limit=limit)
    rows = generation.write_outputs(
        items,
        generation.create(
            backend,
            model=model,
            **backends.options_of(backend, batch_size=batch_size, dtype=dtype, max_refused=max_refused),
        ),
        sampling,
        output,
        generator=generator,
        overwrite=overwrite,
        progress=_progress(),
    )
    summary = {
        "output": str(output),
        "answers": len(rows),
        "generator": rows[0]["generator"],
        "cut": sum(row["finish_reason"] == "length" for row in rows),
        "empty": sum(not row["output"].strip() for row in rows),
        "mean_characters": round(sum(len(row["output"]) for row in rows) / len(rows), 1),
    }
    if format is Format.json:
        print_json(summary)
    else:
        print_table(list(summary), [list(summary.values())])


def _progress():
    import time

    from gammapo.cli.console import stderr

    started = told = time.monotonic()

    def tell(done: int, total: int) -> None:
        nonlocal told
        now = time.monotonic()
        if done == total or now - told > 5:
            told = now
            stderr.print(f"{done} of {total} answers, {now - started:.0f} s")

    return tell


def _check(path: Path, prompts: str, split: str | None, limit: int | None, format: Format) -> None:
    from dataclasses import asdict

    from gammapo import generation
    from gammapo.cli.console import print_json

    report = generation.check_outputs(path, generation.load_prompts(prompts, split=split, limit=limit))
    if format is Format.json:
        print_json({**asdict(report), "good": report.good})
    else:
        print(f"{path}: {report.rows} rows for {report.expected} prompts")
        for fault in report.faults:
            print(f"  {'fault' if fault.grave else 'note'}: {fault.describe()}")
        print("  whole and in order" if report.good else "  not an answer to this set")
    if not report.good:
        raise typer.Exit(2)
