"""From a finished run to a folder that plain transformers and vLLM load: one model, tokenizer, card."""

from __future__ import annotations

import shutil
from pathlib import Path

from gammapo import files, models
from gammapo.errors import InputError
from gammapo.workspace.card import model_card


def export_model(
    run: Path,
    target: Path,
    *,
    merge: bool = False,
    dtype: str = "bfloat16",
    licence: str | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a run's model to `target`, as safetensors, with its tokenizer and model card.

    Args:
        run: a finished run folder.
        target: a folder that does not exist yet, or is empty.
        merge: add adapters into the weights of their base model; without it an adapter stays one.
        dtype: of the written weights.
        licence: see `model_card`.
        overwrite: replace what is there.

    Raises:
        InputError: an unfinished run, or a target that is in use.
    """
    source, note = run / "model", run / "run.json"
    if not note.is_file() or files.read_json(note).get("status") != "done" or not source.is_dir():
        raise InputError("no finished run", file=run, fix="train it to its end first")
    if target.exists() and any(target.iterdir()):
        if not overwrite:
            raise InputError("is not empty", file=target, fix="name another folder, or pass --overwrite")
        shutil.rmtree(target)
    writing = target.with_name(f".{target.name}.writing")
    shutil.rmtree(writing, ignore_errors=True)
    if models.is_adapter(source) and not merge:
        shutil.copytree(source, writing, ignore=shutil.ignore_patterns("training_args.bin", "README.md"))
    else:
        with models.quiet():
            models.load_model(source, dtype=dtype).save_pretrained(writing)
        models.load_tokenizer(source).save_pretrained(writing)
    files.write_text(writing / "README.md", model_card(run, licence=licence))
    if target.exists():
        target.rmdir()
    target.parent.mkdir(parents=True, exist_ok=True)
    writing.rename(target)
    return target
