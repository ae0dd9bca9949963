"""`gammapo export RUN -o FOLDER`: a finished run's model, for transformers and vLLM."""

from __future__ import annotations

from pathlib import Path

import typer


def command(
    run: Path = typer.Argument(help="A finished run folder."),
    output: Path = typer.Option(..., "-o", "--output", help="The folder to write."),
    merge: bool = typer.Option(False, help="Add adapters into the weights of their base model."),
    dtype: str = typer.Option(
        "bfloat16", help="Of a whole model's weights: bfloat16, float16 or float32. Adapters stay as trained."
    ),
    licence: str = typer.Option(None, help="For the model card; the base model's if it states one."),
    overwrite: bool = typer.Option(False, help="Replace an earlier export."),
) -> None:
    """Write one folder with safetensors, tokenizer and model card."""
    from gammapo.workspace.export import export_model

    print(export_model(run, output, merge=merge, dtype=dtype, licence=licence, overwrite=overwrite))
