"""`gammapo import-recipe FILE`: another trainer's config as a recipe, with every difference explained."""

from __future__ import annotations

from pathlib import Path

import typer

from gammapo.cli.console import Format


def command(
    file: Path = typer.Argument(
        help="A config of SimPO, γ-PO, TRL or the alignment handbook (YAML or JSON)."
    ),
    output: Path = typer.Option(None, "-o", "--output", help="The recipe to write; printed if not given."),
    kind: str = typer.Option(
        None, help="simpo, gammapo, trl or orpo (TRL's); told by the keys if not given."
    ),
    gpus: int = typer.Option(4, min=1, help="GPUs that it was run on."),
    overwrite: bool = typer.Option(False, help="Replace the recipe if it exists."),
    format: Format = typer.Option(Format.table, help="json prints recipe and differences as one object."),
) -> None:
    """Read a config of SimPO's, γ-PO's or TRL's trainers; differences go to stderr, the recipe to stdout."""
    from gammapo import files, strict_yaml
    from gammapo.cli.console import print_json, stderr
    from gammapo.integrations.configs import import_recipe

    if output is not None:
        files.refuse_input(output, [file])
        if not overwrite:
            files.refuse_existing(output)
    found = import_recipe(file, kind=kind, gpus=gpus)
    lines = [f"# Imported from {file.name} ({found.kind}).", *(f"# - {text}" for text in found.differences)]
    body = strict_yaml.dump(found.recipe)
    if output is not None:
        files.write_text(output, "\n".join(lines) + "\n" + body, overwrite=overwrite)
    if format is Format.json:
        print_json({"kind": found.kind, "recipe": found.recipe, "differences": found.differences})
        return
    stderr.print(f"{file}: read as {found.kind}")
    for text in found.differences:
        stderr.print(f"- {text}")
    if output is None:
        print(body, end="")
    else:
        stderr.print(f"wrote {output}")
