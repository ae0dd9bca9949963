"""`gammapo sample-pairs --model M --prompts P --scorer S -o pairs.jsonl`: on-policy preference pairs."""

from __future__ import annotations

from pathlib import Path

import typer

from gammapo.cli import backends
from gammapo.cli.console import Format


def command(
    model: str = typer.Option(..., help=backends.MODEL),
    prompts: str = typer.Option(..., help="As of `gammapo generate`: rows, lines (.txt) or pairs."),
    scorer: str = typer.Option(..., help="world:constraints, rules:FILE, reward:PATH or module:attribute."),
    output: Path = typer.Option(..., "-o", "--output", help="The pair file to write (.jsonl or .jsonl.gz)."),
    samples_per_prompt: int = typer.Option(6, min=2, help="Answers drawn from each prompt."),
    temperature: float = typer.Option(1.0, help="1 samples the model's own distribution."),
    top_p: float = typer.Option(1.0, help="Nucleus sampling's share of the probability."),
    max_new_tokens: int = typer.Option(512, help="Longest answer, in tokens; cut answers make no pair."),
    seed: int = typer.Option(0, help="Answers depend on model, prompt, sampling and this alone."),
    min_gap: float = typer.Option(0.0, min=0.0, help="A score gap of at most this is a tie."),
    backend: str = typer.Option("transformers", help=backends.BACKEND),
    batch_size: int = typer.Option(None, min=1, help=backends.BATCH_SIZE),
    dtype: str = typer.Option(None, help=backends.DTYPE),
    max_refused: int = typer.Option(None, min=0, help=backends.MAX_REFUSED),
    split: str = typer.Option(None, help="Split of a folder or hub id."),
    limit: int = typer.Option(None, min=1, help="Only the first so many prompts."),
    rescore: bool = typer.Option(
        False, help="Score the stored samples again, with this scorer; renew their pairs."
    ),
    overwrite: bool = typer.Option(False, help="Replace the output, and drop another run's samples."),
    format: Format = typer.Option(Format.table, help="How to print the summary."),
) -> None:
    """Sample answers, score them, keep best against worst. A run that was cut goes on where it stood."""
    from gammapo import data, files, generation, judging
    from gammapo.benchmark.on_policy import check_output, sample_pairs, samples_path
    from gammapo.benchmark.pair_report import summarise
    from gammapo.cli.console import print_json, print_table, stderr
    from gammapo.errors import RunError

    files.refuse_other_than_jsonl(output)
    read = data.inputs_of(prompts)
    if Path(rules := scorer.partition(":")[2]).is_file():
        read.append(rules)
    for path in (output, samples_path(output)):
        files.refuse_input(path, read)
    check_output(output, rescore=rescore, overwrite=overwrite)
    sampling = generation.Sampling(
        n=samples_per_prompt,
        temperature=temperature,
        top_p=top_p,
        max_new_tokens=max_new_tokens,
        seed=seed,
    )
    items = generation.load_prompts(prompts, split=split, limit=limit).items
    judge = judging.create_scorer(scorer)
    options = backends.options_of(backend, batch_size=batch_size, dtype=dtype, max_refused=max_refused)
    made = generation.create(backend, model=model, **options)
    selection, sampled = sample_pairs(
        [item.messages for item in items],
        made,
        judge,
        sampling,
        output,
        scorer_name=scorer,
        min_gap=min_gap,
        rescore=rescore,
        overwrite=overwrite,
        progress=lambda done, total: stderr.print(f"{done} of {total} prompts"),
    )
    summary = {"output": str(output), **summarise(selection, sampled)}
    if format is Format.json:
        print_json(summary)
    else:
        print_table(["", ""], [[name.replace("_", " "), _cell(value)] for name, value in summary.items()])
    if not summary["pairs"]:
        raise RunError(
            f"no prompt gave a pair, so {output} is not written (dropped: {_cell(summary['dropped'])}). "
            "Unfinished answers need a larger --max-new-tokens; ties and identical answers a higher "
            "--temperature or more --samples-per-prompt. Pass --overwrite with it, to drop these samples"
        )


def _cell(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{count} {name}" for name, count in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
