"""`gammapo workspace …`: the steps that scripts/start.sh and scripts/infer.sh are made of."""

from __future__ import annotations

from pathlib import Path

import typer

app = typer.Typer(help="The full-size task's files (see docs/full-size.md).", no_args_is_help=True)
ROOT = typer.Option(None, "--workspace", help="The workspace; $WORKSPACE or /workspace if not given.")
SUBMISSION = typer.Option(None, "--name", help="The submission: its model, outputs and generator.")


@app.command("start")
def start_command(
    recipe: Path = typer.Argument(help="The recipe; its paths are replaced by the workspace's."),
    overrides: list[str] = typer.Argument(None, metavar="[KEY=VALUE]...", help="As for train."),
    workspace: Path = ROOT,
    name: str = SUBMISSION,
    idea: Path = typer.Option(None, help="The file to write as data/outputs/idea.md."),
    allow_out_of_range: bool = typer.Option(False, help="Accept settings outside the task's rules."),
) -> None:
    """Check recipe and workspace; write the recipe as it is trained, and print its path."""
    from gammapo.cli.console import stderr
    from gammapo.workspace.paths import open_workspace
    from gammapo.workspace.prepare import prepare_start

    start = prepare_start(
        open_workspace(workspace, name),
        recipe,
        overrides,
        idea=idea,
        allow_out_of_range=allow_out_of_range,
    )
    for notice in start.notices:
        stderr.print(f"notice: {notice}", style="yellow")
    print(start.path)


@app.command("path")
def path_command(
    what: str = typer.Argument(help="dataset, checkpoint, recipe, run, model, outputs, submissions."),
    workspace: Path = ROOT,
    name: str = SUBMISSION,
) -> None:
    """Print where something lies."""
    from gammapo.errors import InputError
    from gammapo.workspace.paths import open_workspace

    known = ("dataset", "checkpoint", "recipe", "run", "model", "outputs", "submissions", "idea")
    if what not in known:
        raise InputError(f"got {what!r}", expected="one of " + ", ".join(known))
    print(getattr(open_workspace(workspace, name), what))


@app.command("split")
def split_command(
    prompts: Path = typer.Argument(help="A set of prompts, or the pairs."),
    count: int = typer.Option(..., "-n", min=1, help="Number of parts."),
    output: Path = typer.Option(..., "-o", "--output", help="The folder for the parts."),
) -> None:
    """Cut a set of prompts into parts, one a GPU; print their files."""
    from gammapo.workspace.prepare import training_split
    from gammapo.workspace.shards import write_shards

    for path in write_shards(prompts, output, count, split=training_split(prompts)):
        print(path)


@app.command("merge")
def merge_command(
    prompts: Path = typer.Argument(help="The set that was split."),
    shards: list[Path] = typer.Argument(help="The parts' outputs files, in order."),
    output: Path = typer.Option(..., "-o", "--output", help="The outputs file to write."),
    generator: str = typer.Option(..., help="The name that the answers carry."),
    overwrite: bool = typer.Option(False, help="Replace the outputs file if it exists."),
) -> None:
    """Put the parts' answers together, in the set's order and number."""
    from gammapo.workspace.prepare import training_split
    from gammapo.workspace.shards import merge_outputs

    split = training_split(prompts)
    count = merge_outputs(prompts, shards, output, generator=generator, split=split, overwrite=overwrite)
    print(f"{count} answers in {output}")
