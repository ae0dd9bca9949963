"""Whose a run folder is: claimed by one recipe and its data, found again, and refused to any other."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gammapo import __version__, files
from gammapo.data.mixture import is_mixture
from gammapo.data.place import place_of
from gammapo.errors import InputError
from gammapo.training import lock
from gammapo.training.prepare import NOTE, Prepared, prepare
from gammapo.training.recipe import Recipe

DONE, MODEL = "done", "model"
OTHER_DATA = "data (its content has changed)"
PACKAGES = ("torch", "transformers", "accelerate", "peft", "datasets", "tokenizers", "numpy")


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """A finished run. `resumed_from` is the step it went on from, None for a fresh run."""

    folder: Path
    model: Path
    steps: int
    seconds: float
    resumed_from: int | None
    metrics: dict[str, float]  # of the last logged step


def _noted(recipe: Recipe) -> dict[str, Any]:
    """A run's recipe as its note holds it: everything but where it is written."""
    return json.loads(json.dumps(recipe.model_dump(exclude={"output"})))


def _identity(noted: dict[str, Any]) -> dict[str, Any]:
    """What makes two runs the same run. How much is read at once is not part of it: it never changes the
    result, and a run that ended for want of memory is to go on with less."""
    training = {key: value for key, value in noted.get("training", {}).items() if key != "tokens_per_batch"}
    return noted | {"training": training}


def finished(folder: Path, recipe: Recipe) -> RunResult | None:
    """What a complete run of this recipe left; InputError if its data have changed since."""
    if not (folder / NOTE).is_file():
        return None
    note = files.read_json(folder / NOTE)
    if note.get("status") != DONE or _identity(note.get("recipe", {})) != _identity(_noted(recipe)):
        return None
    if not _has_the_data_of(note, recipe):
        raise _another_run(folder, [OTHER_DATA])
    if not any((folder / MODEL).glob("*")):
        return None  # it has gone: the last checkpoint makes it again
    return RunResult(
        folder=folder,
        model=folder / MODEL,
        steps=note["steps"],
        seconds=note["seconds"],
        resumed_from=None,
        metrics=last_metrics(folder),
    )


def _has_the_data_of(note: dict[str, Any], recipe: Recipe) -> bool:
    """Whether a recipe's data still are what the run trained on: told by their bytes, or else by the pairs.

    Data that are not on this machine (a hub id, or a file that has gone) count as unchanged.
    """
    if not _where(recipe).exists():
        return True
    digest = data_digest(recipe)
    if digest is not None and digest == note.get("data_digest"):
        return True
    return prepare(recipe).fingerprint == note.get("data_fingerprint")


def data_digest(recipe: Recipe) -> str | None:
    """SHA-256 over a file, or a folder's files and their names; None where that is not all of the data."""
    path = _where(recipe)
    if not path.exists() or is_mixture(path):
        return None
    try:
        if path.is_file():
            return files.sha256(path)
        digest = hashlib.sha256()
        for part in sorted(one for one in path.rglob("*") if one.is_file()):
            digest.update(f"{part.relative_to(path)}\0{files.sha256(part)}\0".encode())
    except OSError:  # the loader will say it better
        return None
    return digest.hexdigest()


def _where(recipe: Recipe) -> Path:
    return Path(place_of(recipe.data.path).path)


HALF_WRITTEN = re.compile(r"\.(run|recipe|noise)\.(json|yaml)\.\d+\.tmp")  # by a kill within `claim`


def has_begun(folder: Path, prepared: Prepared) -> bool:
    """Whether the folder holds this run already; InputError if it holds anything else."""
    there = {path.name for path in folder.iterdir()} if folder.exists() else set()
    there = {name for name in there if name != lock.NAME and not HALF_WRITTEN.fullmatch(name)}
    if not there:
        return False
    if NOTE not in there:
        raise InputError(
            "the folder is not empty and holds no run",
            file=folder,
            field="output",
            fix="name another folder",
        )
    note = files.read_json(folder / NOTE)
    different = _differences(_identity(note.get("recipe", {})), _identity(_noted(prepared.recipe)))
    if note.get("data_fingerprint") != prepared.fingerprint:
        different.append(OTHER_DATA)
    if different:
        raise _another_run(folder, different)
    return True


def _another_run(folder: Path, different: list[str]) -> InputError:
    return InputError(
        "the folder holds another run, which differs in " + ", ".join(different),
        file=folder,
        field="output",
        fix="name another output folder, or remove this one",
    )


def check_start(folder: Path, start: str | None) -> None:
    """InputError if the run in the folder began with other weights than these."""
    if files.read_json(folder / NOTE).get("start") not in (None, start):
        raise _another_run(folder, ["model (its weights have changed)"])


def claim(folder: Path, prepared: Prepared, start: str | None = None) -> None:
    """Make the folder this run's; `start` is a digest of the weights that it begins with."""
    note = {
        "status": "started",
        "recipe": _noted(prepared.recipe),
        "objective": prepared.loss.objective,
        "pairs": len(prepared.pairs),
        "data_fingerprint": prepared.fingerprint,
        "data": prepared.notes,
        "start": start,
        "day": prepared.day,
        "noise_manifest": None if prepared.noise is None else "noise.json",
        "versions": {"gammapo": __version__} | {name: importlib.metadata.version(name) for name in PACKAGES},
        "machine": f"{platform.machine()}, Python {platform.python_version()}, {platform.system()}",
    }
    files.write_json(folder / NOTE, note)  # first: it says whose the folder is
    if prepared.noise is not None:
        files.write_json(folder / "noise.json", prepared.noise)
    files.write_text(folder / "recipe.yaml", prepared.recipe.as_yaml())


def renew(folder: Path, prepared: Prepared) -> None:
    """Note how a run that goes on reads its pairs, which may be in other micro-batches than before."""
    recipe = _noted(prepared.recipe)
    if files.read_json(folder / NOTE).get("recipe") != recipe:
        note_down(folder, {"recipe": recipe})
        files.write_text(folder / "recipe.yaml", prepared.recipe.as_yaml())


def is_claimed(folder: Path) -> bool:
    """Whether `claim` came to its end here."""
    return (folder / "recipe.yaml").is_file()


def _differences(old: Any, new: Any, path: str = "") -> list[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        return [
            found
            for key in {**old, **new}
            for found in _differences(old.get(key), new.get(key), f"{path}.{key}" if path else str(key))
        ]
    return [] if old == new else [f"{path} ({old!r} there, {new!r} here)"]


def note_down(folder: Path, more: dict[str, Any]) -> None:
    files.write_json(folder / NOTE, files.read_json(folder / NOTE) | more)


def last_metrics(folder: Path) -> dict[str, float]:
    path = folder / "metrics.jsonl"
    lines = files.split_lines(path.read_text(encoding="utf-8")) if path.exists() else []
    return json.loads(lines[-1]) if lines else {}
