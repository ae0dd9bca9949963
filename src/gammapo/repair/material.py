"""The pairs of a repair: those to train on and to mend, and those that only measure.

Written once into the folder, so that every run, audit and measurement reads the same files: `train.jsonl`
(with `train.noise.json` where wrong labels are known), `held_out.jsonl`, and `pairs.json` last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from gammapo import data, files, noise
from gammapo.errors import InputError
from gammapo.noise.guards import own_noise_told
from gammapo.repair.plan import RepairPlan
from gammapo.types import PreferencePair

TRAIN, HELD_OUT, SEAL = "train.jsonl", "held_out.jsonl", "pairs.json"


@dataclass(frozen=True, kw_only=True)
class Material:
    """Counts of what lies in the folder, and how far it can be trusted.

    `held_out_labels` is "true" (a manifest's flips were undone, or the recipe adds the noise to the training
    share alone), or "as given" (nothing is known of them).
    `left_out` counts held-out pairs whose prompt is also trained on. `flips` counts the wrong labels among
    the training pairs, None where that is not known.
    """

    train: int
    held_out: int
    held_out_labels: str
    left_out: int
    flips: int | None
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "notes": list(self.notes)}


def make_material(folder: Path, plan: RepairPlan) -> Material:
    """Read, split and corrupt the pairs, or read again what an earlier call left.

    Raises:
        InputError: the pairs cannot be used, are corrupted already and should be again, or fewer than two
            prompts are held out.
    """
    if (folder / SEAL).is_file():
        kept = files.read_json(folder / SEAL)
        return Material(**{**kept, "notes": tuple(kept["notes"])})
    pairs, manifest, notes = read_source(plan.source, plan)
    left_out, labels = 0, "as given"
    if plan.evaluation is None:
        train, held_out = split_by_prompt(pairs, plan.holdout, plan.seed)
        own = manifest
    else:
        train, loaded = pairs, data.load_pairs(plan.evaluation, on_bad=plan.recipe.data.on_bad)
        notes.append(f"held out: {loaded.report.describe()}")
        own = noise.manifest_of(plan.evaluation, loaded.report.noise_marker)
        seen = {pair.prompt for pair in train}
        held_out = [pair for pair in loaded.pairs if pair.prompt not in seen]
        left_out = len(loaded.pairs) - len(held_out)
    if not train or not held_out:
        raise InputError(
            f"{len(train)} pairs to train on and {len(held_out)} held out",
            file=plan.evaluation or plan.source,
            expected="some of both, with different prompts",
            fix="give more pairs, another --holdout, or pairs with other prompts to --eval",
        )
    if len({pair.prompt for pair in held_out}) < 2:
        raise InputError(
            "1 prompt is held out",
            file=plan.evaluation or plan.source,
            expected="at least 2, since intervals are over prompts",
            fix="give more prompts, or another --holdout",
        )
    if own is not None:
        held_out = [pair.flipped() if pair.id in own.flipped else pair for pair in held_out]
        labels = "true"
    if plan.recipe.noise.kind is not None and plan.recipe.noise.rate > 0:
        train, manifest = _corrupted(train, plan)
        if plan.evaluation is None:  # held out before this noise; of a file of its own it says nothing
            labels = "true"
    elif manifest is not None:
        manifest = _subset(manifest, train)
    _write(folder, train, held_out, manifest)
    material = Material(
        train=len(train),
        held_out=len(held_out),
        held_out_labels=labels,
        left_out=left_out,
        flips=None if manifest is None else len(manifest.flipped),
        notes=tuple(notes),
    )
    files.write_json(folder / SEAL, material.as_dict())
    return material


def read_source(
    source: str, plan: RepairPlan
) -> tuple[list[PreferencePair], noise.Manifest | None, list[str]]:
    """The source's pairs, the manifest beside it, and what was read in words.

    Raises:
        InputError: the recipe would corrupt pairs that are corrupted already, or the plan wants true labels
            that nothing tells.
    """
    section, wanted = plan.recipe.data, plan.recipe.noise
    loaded = data.load_pairs(source, split=section.split, limit=section.limit, on_bad=section.on_bad)
    sha256 = data.source_sha256(source, loaded.report.fingerprint)
    manifest = noise.manifest_of(source, loaded.report.noise_marker, sha256)
    adds_noise = wanted.kind is not None and wanted.rate > 0
    if adds_noise:
        noise.refuse_corrupted(source, loaded.report.noise_marker, sha256)
    elif plan.ceiling and manifest is None:
        raise InputError(
            "the true labels are not known",
            file=source,
            field="--ceiling",
            expected=f"a manifest beside it ({noise.manifest_path(source).name}), or noise in the recipe",
            fix="leave --ceiling out",
        )
    return list(loaded.pairs), manifest, [loaded.report.describe()]


def split_by_prompt(
    pairs: Sequence[PreferencePair], share: float, seed: int
) -> tuple[list[PreferencePair], list[PreferencePair]]:
    """Training and held-out pairs in file order; all pairs of one prompt fall on the same side."""
    prompts = list(dict.fromkeys(pair.prompt for pair in pairs))
    order = np.random.default_rng(seed).permutation(len(prompts))
    chosen = {prompts[index] for index in order[: max(1, round(share * len(prompts)))]}
    train = [pair for pair in pairs if pair.prompt not in chosen]
    return train, [pair for pair in pairs if pair.prompt in chosen]


def flipped_ids(folder: Path) -> frozenset[str] | None:
    """Ids of the training pairs whose label is wrong, None where that is not known."""
    path = noise.manifest_path(folder / TRAIN)
    return noise.read_manifest(path).flipped if path.is_file() else None


def _corrupted(pairs: list[PreferencePair], plan: RepairPlan) -> tuple[list[PreferencePair], noise.Manifest]:
    wanted = plan.recipe.noise
    assert wanted.kind is not None
    with own_noise_told([wanted.kind]):
        done = noise.corrupt(pairs, wanted.kind, rate=wanted.rate, seed=wanted.seed, **wanted.options)
    return done.pairs, replace(done.manifest, source=str(plan.source))


def _subset(manifest: noise.Manifest, pairs: Sequence[PreferencePair]) -> noise.Manifest:
    ids = {pair.id for pair in pairs}
    changed = {name: change for name, change in manifest.changed.items() if name in ids}
    return replace(manifest, changed=changed, pairs=len(pairs))


def _write(
    folder: Path,
    train: Sequence[PreferencePair],
    held_out: Sequence[PreferencePair],
    manifest: noise.Manifest | None,
) -> None:
    marker = {} if manifest is None else {data.MARKER: manifest.fingerprint}
    data.write_pairs(folder / TRAIN, train, overwrite=True, extra=marker)
    data.write_pairs(folder / HELD_OUT, held_out, overwrite=True)
    if manifest is not None:
        noise.write_manifest(noise.manifest_path(folder / TRAIN), manifest, overwrite=True)
