"""From a finished run to a folder that plain transformers and vLLM load: one model, tokenizer, card."""

from __future__ import annotations

import shutil
from fnmatch import fnmatch
from pathlib import Path

from gammapo import files, models
from gammapo.errors import InputError
from gammapo.models.load import DTYPES
from gammapo.workspace.card import TAG, front_matter, model_card
from gammapo.workspace.finished import finished_note

MODEL = ("config.json", "adapter_config.json")  # an export has one of them
# names under which model and tokenizer are saved; a folder with others holds more than an export
WEIGHTS = ("*.safetensors", "*.safetensors.index.json", "generation_config.json")
TOKENIZER = ("tokenizer*", "vocab.*", "merges.txt", "*.model", "special_tokens_map.json", "added_tokens.json")
TEMPLATES = ("chat_template*", "additional_chat_templates")
WRITTEN = ("README.md", *MODEL, *WEIGHTS, *TOKENIZER, *TEMPLATES)


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

    It is written beside the target and takes its place at the end, so that a failure leaves what was there.

    Args:
        run: a finished run folder.
        target: a folder that does not exist yet, or is empty.
        merge: add adapters into the weights of their base model; without it an adapter stays one.
        dtype: of the written weights of a whole model; adapters stay as they were trained.
        licence: see `model_card`.
        overwrite: replace an earlier export. Nothing else is ever removed.

    Raises:
        InputError: an unfinished run, an unknown dtype, or a target that is in use: by the run, by its base
            model, or by anything that is no earlier export.
    """
    source, note = run / "model", finished_note(run)
    if not source.is_dir():
        raise InputError("no such folder", file=source, expected="the model that the run ended with")
    if dtype not in DTYPES:
        raise InputError(f"got {dtype!r}", field="dtype", expected="one of " + ", ".join(DTYPES))
    place = target.resolve()  # of a link, the folder that it leads to
    _refuse_own(target, run, base=note["recipe"]["model"]["path"])
    _refuse_in_use(target, overwrite=overwrite)
    writing = place.with_name(f".{place.name}.writing")
    shutil.rmtree(writing, ignore_errors=True)
    try:
        if models.is_adapter(source) and not merge:
            shutil.copytree(source, writing, ignore=shutil.ignore_patterns("training_args.bin", "README.md"))
        else:
            with models.quiet():
                models.load_model(source, dtype=dtype).save_pretrained(writing)
            models.load_tokenizer(source).save_pretrained(writing)
        files.write_text(writing / "README.md", model_card(run, licence=licence))
        _put(writing, place)
    finally:
        shutil.rmtree(writing, ignore_errors=True)
    return target


def _refuse_own(target: Path, run: Path, *, base: str) -> None:
    """Raise InputError if the target would take the place of what is exported, or of its base model."""
    place = target.resolve()
    for kept in (run.resolve(), (run / "model").resolve()):
        if place == kept or place in kept.parents or kept in place.parents:
            raise InputError(
                "is, contains or lies inside the run that is exported",
                file=target,
                fix=f"name a folder outside {run}",
            )
    if Path(base).is_dir() and place == Path(base).resolve():
        raise InputError(
            "is the base model that the run was trained from", file=target, fix="name another folder"
        )


def _refuse_in_use(target: Path, *, overwrite: bool) -> None:
    """Raise InputError unless the target is free, or an earlier export that may be replaced."""
    if target.exists() and not target.is_dir():
        raise InputError("is a file", file=target, expected="a folder", fix="name another one")
    if not target.exists() or not any(target.iterdir()):
        return
    if not overwrite:
        raise InputError("is not empty", file=target, fix="name another folder, or pass --overwrite")
    if problem := _no_export(target):
        raise InputError(
            f"is no earlier export: {problem}",
            file=target,
            expected="for --overwrite a folder that `gammapo export` wrote, with nothing else in it",
            fix="name another folder, or remove by hand what is not needed",
        )


def _no_export(folder: Path) -> str:
    """Why a folder is none, or more than one; empty if it is an earlier export and nothing else."""
    tags = front_matter(folder).get("tags")
    if not isinstance(tags, list) or TAG not in tags:
        return f"it has no model card (README.md) with the tag {TAG!r}"
    if not any((folder / name).is_file() for name in MODEL):
        return "it has no " + " or ".join(MODEL)
    foreign = [one.name for one in folder.iterdir() if not any(fnmatch(one.name, known) for known in WRITTEN)]
    return f"it holds {sorted(foreign)[0]}" if foreign else ""


def _put(written: Path, place: Path) -> None:
    """Move a written folder to its place; what lay there goes only once the new one stands."""
    replaced = place.with_name(f".{place.name}.replaced")
    if place.exists():
        shutil.rmtree(replaced, ignore_errors=True)
        place.rename(replaced)
    try:
        written.rename(place)
    except OSError:
        if replaced.exists():
            replaced.rename(place)
        raise
    shutil.rmtree(replaced, ignore_errors=True)
