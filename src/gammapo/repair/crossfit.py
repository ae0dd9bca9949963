"""Cross-fitting: every pair is judged by a model that was not trained on its label.

The pairs are cut into K folds by prompt; for each fold a model is trained on the other folds with the same
recipe and then read on this one. Its gaps there cannot have been pulled towards the labels, so they neither
flatter them nor hide wrong ones. It costs K − 1 trainings, and one reading of all pairs by the base.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np

from gammapo import data, files
from gammapo.audit.witness import Witnesses, fold_of
from gammapo.errors import InputError
from gammapo.repair.reading import read, tokens_of
from gammapo.training import Recipe, train
from gammapo.training.recipe import NoiseSection
from gammapo.types import PairLogps, PreferencePair

Stage = Callable[[str], AbstractContextManager[Callable[[int, int], None]]]
NAMES = ("trained", "base", "trained sum", "base sum")
DONE = "witnesses.json"


def cross_fit(
    folder: str | Path,
    recipe: Recipe,
    pairs: Sequence[PreferencePair],
    folds: int,
    *,
    seed: int,
    stage: Stage,
) -> Witnesses:
    """Witnesses of the pairs' labels, out of fold; the same call on the same folder goes on.

    They are, chosen − rejected: how far training on the other folds moved the gap of mean log-probs, and the
    base's own gap of them; and both again for summed log-probs.

    Args:
        folder: for the folds' files and runs.
        recipe: how the fold models are trained; its data path, noise and output are not used.
        pairs: with the labels to judge. Pairs that do not fit the recipe's token limits get no witness.
        seed: of the cut into folds.

    Raises:
        InputError: the folder holds something else, or too few prompts for so many folds.
    """
    folder = Path(folder)
    fold = fold_of([pair.prompt for pair in pairs], folds, seed)
    _claim(folder, recipe, pairs, folds, seed)
    if (folder / DONE).is_file():
        return read_witnesses(folder / DONE)
    tokens = {one.id: one for one in tokens_of(recipe, pairs)}
    parts = []
    for number in range(folds):
        rest = [pair for pair, place in zip(pairs, fold, strict=True) if place != number]
        mine = [pair.id for pair, place in zip(pairs, fold, strict=True) if place == number]
        source = folder / f"fold-{number}.jsonl"
        if not source.is_file():
            data.write_pairs(source, rest)
        with stage(f"training fold {number + 1} of {folds}") as update:
            run = train(_fold_recipe(recipe, source, folder / f"run-{number}"), on_step=update, say=_silent)
        held = [tokens[name] for name in mine if name in tokens]
        cache = folder / f"gaps-{number}.parquet"
        parts.append((held, read(run.model, recipe, held, cache)))
    held = [one for part, _ in parts for one in part]
    base = read(recipe.model.path, recipe, held, folder / "base.parquet")
    trained = np.concatenate([_gaps(values) for _, values in parts])
    before = _gaps(base)
    moved = trained - before
    values = np.column_stack([moved[:, 0], before[:, 0], moved[:, 1], before[:, 1]])
    witnesses = Witnesses(ids=tuple(one.id for one in held), names=NAMES, values=values)
    write_witnesses(folder / DONE, witnesses)
    return read_witnesses(folder / DONE)  # rounded, as a later call will find them


def write_witnesses(path: Path, witnesses: Witnesses) -> None:
    rows = [[round(float(value), 6) for value in row] for row in witnesses.values]
    files.write_json(path, {"names": witnesses.names, "values": dict(zip(witnesses.ids, rows, strict=True))})


def read_witnesses(path: Path) -> Witnesses:
    found = files.read_json(path)
    values = np.array(list(found["values"].values()), dtype=float)
    return Witnesses(ids=tuple(found["values"]), names=tuple(found["names"]), values=values)


def _silent(_: str) -> None:
    pass


def _claim(folder: Path, recipe: Recipe, pairs: Sequence[PreferencePair], folds: int, seed: int) -> None:
    identity = {
        "folds": folds,
        "seed": seed,
        "pairs": data.fingerprint(pairs),
        "recipe": _fold_recipe(recipe, Path("-"), Path("-")).model_dump(mode="json"),
    }
    identity, path = json.loads(json.dumps(identity)), folder / "crossfit.json"
    if path.is_file():
        there = files.read_json(path)
        different = [name for name in identity if there.get(name) != identity[name]]
        if different:
            raise InputError(
                "the folder holds another cross-fit, which differs in " + ", ".join(different),
                file=folder,
                fix="name another folder",
            )
        return
    if folder.exists() and any(folder.iterdir()):
        raise InputError(
            "the folder is not empty and holds no cross-fit", file=folder, fix="name another folder"
        )
    files.write_json(path, identity)


def _fold_recipe(recipe: Recipe, source: Path, output: Path) -> Recipe:
    section = recipe.data.model_copy(update={"path": str(source), "split": None, "limit": None})
    none = NoiseSection.model_validate({})
    return recipe.model_copy(update={"data": section, "noise": none, "output": str(output)})


def _gaps(values: PairLogps) -> np.ndarray:
    """(n, 2): gaps of the mean log-probs and of the summed ones, chosen − rejected."""
    mean = values.chosen / values.chosen_length - values.rejected / values.rejected_length
    columns: list[Any] = [
        mean.double().cpu().numpy(),
        (values.chosen - values.rejected).double().cpu().numpy(),
    ]
    return np.column_stack(columns)
