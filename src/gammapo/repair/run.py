"""The whole repair, stage by stage. Every stage leaves files and is skipped once they are there.

Folder: `repair.json` (what is done), `train.jsonl`, `held_out.jsonl`, `runs/ARM-SEED/` (see `training.run`),
`audits/SEED.json`, `mended/SEED.jsonl` with its record, `measured/ARM-SEED.json`, `answers/`,
`results.json`, `report.html`, `report.md`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import Any

from gammapo import data, files, judging, losses, models, noise
from gammapo.audit import (
    RunAudit,
    audit_first_visits,
    audit_run,
    audit_witnesses,
    join,
    read_ledger,
    text_witnesses,
    write_repaired,
)
from gammapo.audit.repair import repaired_record_path
from gammapo.audit.witness import FOLDS, check_count
from gammapo.errors import InputError
from gammapo.repair import measure, outcome
from gammapo.repair.crossfit import cross_fit
from gammapo.repair.material import HELD_OUT, SEAL, TRAIN, Material, flipped_ids, make_material, read_source
from gammapo.repair.plan import AS_GIVEN, CEILING, REPAIRED, RepairPlan
from gammapo.report.repair import repair_page
from gammapo.training import Recipe, train
from gammapo.training.recipe import NoiseSection
from gammapo.types import PreferencePair

Update = Callable[[int, int], None]
Stage = Callable[[str], AbstractContextManager[Update]]
CLAIM = "repair.json"
BOOTSTRAP = 2000
NOTHING_CHANGED = "no label was suspect enough, so there is nothing to train again"


def _silent(_: str) -> AbstractContextManager[Update]:
    return nullcontext(lambda done, total: None)


def run_repair(
    output: str | Path,
    plan: RepairPlan,
    *,
    stage: Stage = _silent,
    say: Callable[[str], None] = lambda words: None,
) -> dict[str, Any]:
    """Do the repair, or what is left of it, and return what `results.json` holds.

    Args:
        output: the folder; a folder of anything else, or of another repair, is refused.
        stage: called with a stage's name; gives a context with the function to report (done, total) to.
        say: called with a sentence where something is worth knowing.

    Raises:
        InputError: bad pairs, recipe or folder. If nothing was trained yet, nothing is left behind.
        RunError: a training run failed.
    """
    folder = Path(output)
    losses.create(**plan.recipe.loss)  # a bad loss or model is said before the folder is made
    models.resolve(plan.recipe.model.path)
    if plan.scorer is not None:
        judging.create_scorer(plan.scorer)  # found wanting after hours of training otherwise
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    new = _claim(folder, plan)
    try:
        return _repair(folder, plan, stage, say)
    except Exception:
        if new and not any(folder.glob("runs/*/run.json")):  # the corrected call may be of another plan
            _undo_claim(folder, made)
        raise


def _repair(folder: Path, plan: RepairPlan, stage: Stage, say: Callable[[str], None]) -> dict[str, Any]:
    material = make_material(folder, plan)
    for note in material.notes:
        say(note)
    if plan.by != "ledger":
        check_count(material.train)
        _check_prompts(folder, plan)
    measure.check_scores(plan.recipe, measure.held_out_pairs(folder))
    measure.check_lengths(folder, plan.recipe)
    measured: dict[str, list[dict[str, Any]]] = {arm: [] for arm in plan.arms}
    repairs = []
    for seed in range(plan.seeds):
        measured[AS_GIVEN].append(_arm(folder, plan, AS_GIVEN, seed, folder / TRAIN, stage))
        repairs.append(mend(folder, plan, seed, stage))
        if repairs[-1]["changed"]:
            source = _mended(folder, seed)
            measured[REPAIRED].append(_arm(folder, plan, REPAIRED, seed, source, stage))
        else:
            say(f"seed {seed}: {NOTHING_CHANGED}")
            measured[REPAIRED].append(measured[AS_GIVEN][-1])
        if plan.ceiling:
            measured[CEILING].append(_arm(folder, plan, CEILING, seed, _true_labels(folder), stage))
    results = summarise(folder, plan, material, measured, repairs)
    files.write_json(folder / "results.json", results)
    page = repair_page(results)
    files.write_text(folder / "report.html", page.render())
    files.write_text(folder / "report.md", page.markdown())
    return results


def _check_prompts(folder: Path, plan: RepairPlan) -> None:
    """Raise InputError now, and not after a training, for fewer prompts than folds to judge labels in."""
    prompts = {pair.prompt for pair in data.load_pairs(folder / TRAIN).pairs}
    folds = max(plan.cross_fit, FOLDS)
    if len(prompts) < folds:
        fewer = "cut fewer folds" if folds > FOLDS else "judge by a run's ledger (--by ledger)"
        raise InputError(
            f"{folds} folds of {len(prompts)} prompts to train on",
            field="--cross-fit" if folds > FOLDS else "--by",
            expected="at least as many prompts as folds",
            fix=f"give pairs of more prompts, or {fewer}",
        )


# ---- the folder ----


def _claim(folder: Path, plan: RepairPlan) -> bool:
    """Make the folder this repair's, or find that it is; whether it was made so now."""
    wanted = json.loads(json.dumps({"plan": plan.identity(), "data": _fingerprints(plan)}))
    path = folder / CLAIM
    if path.is_file():
        there = files.read_json(path)
        different = [
            name
            for part in ("plan", "data")
            for name in {**wanted[part], **there.get(part, {})}
            if wanted[part].get(name) != there.get(part, {}).get(name)
        ]
        if different:
            raise InputError(
                "the folder holds another repair, which differs in " + ", ".join(different),
                file=folder,
                field="--output",
                fix="name another folder",
            )
        return False
    if folder.exists() and any(folder.iterdir()):
        raise InputError(
            "the folder is not empty and holds no repair",
            file=folder,
            field="--output",
            fix="name another folder",
        )
    files.write_json(path, wanted)
    return True


def _undo_claim(folder: Path, made: list[Path]) -> None:
    """Take away what lies there before the first training, and those folders of `made` that this empties."""
    train = folder / TRAIN
    for path in (train, noise.manifest_path(train), folder / HELD_OUT, folder / SEAL, folder / CLAIM):
        path.unlink(missing_ok=True)
    for path in made:
        with suppress(OSError):
            path.rmdir()


def _fingerprints(plan: RepairPlan) -> dict[str, str | None]:
    pairs, manifest, _ = read_source(plan.source, plan)
    held_out = None
    if plan.evaluation is not None:
        held_out = data.load_pairs(plan.evaluation, on_bad=plan.recipe.data.on_bad).pairs
    return {
        "pairs": data.fingerprint(pairs),
        "noise": None if manifest is None else manifest.fingerprint,
        "held_out": None if held_out is None else data.fingerprint(held_out),
    }


def _mended(folder: Path, seed: int) -> Path:
    return folder / "mended" / f"{seed}.jsonl"


def _true_labels(folder: Path) -> Path:
    """The training pairs with every known wrong label turned back."""
    path = folder / "true.jsonl"
    if not path.is_file():
        wrong = flipped_ids(folder) or frozenset()
        pairs = data.load_pairs(folder / TRAIN).pairs
        data.write_pairs(path, [pair.flipped() if pair.id in wrong else pair for pair in pairs])
    return path


# ---- stages ----


def arm_recipe(plan: RepairPlan, source: Path, output: Path, seed: int) -> Recipe:
    """The plan's recipe on one file, one seed, one folder; its noise is in the file already."""
    recipe = plan.recipe
    section = recipe.data.model_copy(update={"path": str(source), "split": None, "limit": None})
    settings = recipe.training.model_copy(update={"seed": recipe.training.seed + seed})
    return recipe.model_copy(
        update={
            "data": section,
            "training": settings,
            "noise": NoiseSection.model_validate({}),
            "output": str(output),
        }
    )


def _arm(folder: Path, plan: RepairPlan, arm: str, seed: int, source: Path, stage: Stage) -> dict[str, Any]:
    """Train one model and measure it; its gaps, and its answers' scores where a scorer is given."""
    name = f"{arm}-{seed}"
    recipe = arm_recipe(plan, source, folder / "runs" / name, seed)
    with stage(f"training {name}") as update:
        trained = train(recipe, on_step=update, say=lambda _: None)
    path = folder / "measured" / f"{name}.json"
    if not path.is_file():
        files.write_json(path, measure.reward_gaps(folder, recipe, trained.model))
    found: dict[str, Any] = {"gaps": files.read_json(path), "steps": trained.steps, "answers": None}
    if plan.scorer is not None:
        with stage(f"answering with {name}") as update:
            found["answers"] = measure.scored_answers(folder, plan, trained.model, name, update)
    return found


def mend(folder: Path, plan: RepairPlan, seed: int, stage: Stage = _silent) -> dict[str, Any]:
    """Audit the training labels and write the mended file; what was changed, and how rightly if known."""
    target, audits = _mended(folder, seed), folder / "audits" / f"{seed}.json"
    record = repaired_record_path(target)
    if not (record.is_file() and audits.is_file()):
        pairs = list(data.load_pairs(folder / TRAIN).pairs)
        found = _audit(folder, plan, pairs, seed, stage)
        files.write_json(audits, found.as_dict())
        path = noise.manifest_path(folder / TRAIN)
        marker = noise.read_manifest(path).fingerprint if path.is_file() else None
        above = plan.above if found.knows else 1.0  # by witnesses that know nothing, nothing is changed
        write_repaired(found, target, how=plan.how, above=above, pairs=pairs, marker=marker, overwrite=True)
    audit, changes = files.read_json(audits), files.read_json(record)["changed"]
    wrong = flipped_ids(folder)
    right = None if wrong is None else sum(one["id"] in wrong for one in changes)
    return {
        "seed": seed,
        "changed": len(changes),
        "right": right,
        "harmed": None if right is None else len(changes) - right,
        "missed": None if wrong is None or right is None else len(wrong) - right,
        "estimated_flip_rate": audit["estimated_flip_rate"],
        "estimated_flip_rate_ci95": audit["estimated_flip_rate_ci95"],
        "auroc": (audit["truth"] or {}).get("auroc"),
        "knows": audit.get("knows", True),
    }


def _audit(folder: Path, plan: RepairPlan, pairs: list[PreferencePair], seed: int, stage: Stage) -> RunAudit:
    wrong = flipped_ids(folder)
    if not plan.cross_fit:
        run = folder / "runs" / f"{AS_GIVEN}-{seed}"
        if plan.by == "ledger":
            return audit_run(str(run), read_ledger(run), pairs, flipped=wrong, seed=plan.seed)
        return audit_first_visits(str(run), read_ledger(run), pairs, flipped=wrong)
    where = folder / "crossfit" / str(seed)
    recipe = arm_recipe(plan, folder / TRAIN, where, seed)
    trained = cross_fit(where, recipe, pairs, plan.cross_fit, seed=plan.seed, stage=stage)
    return audit_witnesses(str(where), join(trained, text_witnesses(pairs)), pairs, flipped=wrong)


def summarise(
    folder: Path,
    plan: RepairPlan,
    material: Material,
    measured: dict[str, list[dict[str, Any]]],
    repairs: list[dict[str, Any]],
) -> dict[str, Any]:
    """What `results.json` holds: arms, paired differences, and what was changed."""
    pairs = {pair.id: pair for pair in measure.held_out_pairs(folder)}
    prompts: dict[str, object] = {name: str(pair.prompt) for name, pair in pairs.items()}
    gaps = {arm: [one["gaps"] for one in seeds] for arm, seeds in measured.items()}
    metrics = [outcome.accuracy(gaps, prompts)]
    scores = {
        name: (pair.chosen_score, pair.rejected_score)
        for name, pair in pairs.items()
        if pair.chosen_score is not None and pair.rejected_score is not None
    }
    if set(scores) >= set(gaps[AS_GIVEN][0]):
        metrics.append(outcome.preferred_score(gaps, prompts, scores))
    if plan.scorer is not None:
        answers = {
            arm: [[row["score"] for row in one["answers"]] for one in seeds]
            for arm, seeds in measured.items()
        }
        metrics.append(outcome.answer_score(answers))
    options = {"n_bootstrap": BOOTSTRAP, "seed": plan.seed}
    return {
        "kind": "repair",
        "plan": {"source": plan.source, **plan.identity()},
        "pairs": material.as_dict(),
        "seeds": plan.seeds,
        "measured_pairs": len(gaps[AS_GIVEN][0]),
        "steps": {arm: [one["steps"] for one in seeds] for arm, seeds in measured.items()},
        "repairs": repairs,
        "arms": [row for metric in metrics for row in outcome.arm_rows(metric, **options)],
        "comparisons": [row for metric in metrics for row in outcome.comparisons(metric, **options)],
    }
