"""A whole repair of a tiny real model: what is learnt, mended and measured, and that it goes on."""

import json
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from gammapo import data, noise
from gammapo.errors import InputError, RunError
from gammapo.judging.rules import words
from gammapo.repair import RepairPlan, run_repair

REPAIR = (
    "import pickle, sys, time\n"
    "from contextlib import contextmanager\n"
    "from gammapo.repair import run_repair\n"
    "@contextmanager\n"
    "def stage(name):\n"
    "    print(name, flush=True)\n"
    "    yield lambda done, total: (print(name, done, flush=True), time.sleep(0.2))\n"
    "run_repair(sys.argv[2], pickle.load(open(sys.argv[1], 'rb')), stage=stage)\n"
)


@pytest.fixture
def plan(pair_file, recipe):
    return RepairPlan(source=str(pair_file()), recipe=recipe(noise=0.25), holdout=0.3, ceiling=True)


def test_wrong_labels_are_mended_and_the_gain_is_measured(plan, tmp_path):
    out = tmp_path / "out"
    results = run_repair(out, replace(plan, by="ledger"))
    pairs, (mended,) = results["pairs"], results["repairs"]
    assert (pairs["train"], pairs["held_out"], pairs["flips"]) == (56, 24, 14)
    assert pairs["held_out_labels"] == "true"
    # the ledger ranks the flips well and counts too few of them, for the model has memorised many
    assert mended["auroc"] > 0.85
    assert mended["right"] >= 3
    assert mended["harmed"] <= 1
    assert mended["right"] + mended["missed"] == 14
    assert mended["right"] + mended["harmed"] == mended["changed"]
    fixed = data.load_pairs(out / "mended" / "0.jsonl").pairs
    given = data.load_pairs(out / "train.jsonl").pairs
    assert sum(a.chosen != b.chosen for a, b in zip(given, fixed, strict=True)) == mended["changed"]
    truly = {pair.id: pair.chosen_score == 1.0 for pair in fixed}
    assert sum(truly.values()) == 56 - mended["missed"] - mended["harmed"]
    means = {(row["arm"], row["metric"]): row["mean"] for row in results["arms"]}
    gaps = {arm: json.loads((out / "measured" / f"{arm}-0.json").read_text()) for arm in plan.arms}
    for arm in plan.arms:
        right = sum(gap > 0 for gap in gaps[arm].values()) / 24
        assert means[arm, "accuracy"] == pytest.approx(right)
        # scores are 1 for the better and 0 for the worse answer, so both measures are the same here
        assert means[arm, "preferred_score"] == pytest.approx(right)
    assert sum(gaps["repaired"].values()) > sum(gaps["as_given"].values()), "fewer flips must widen the gap"
    rows = {(row["a"], row["metric"]): row for row in results["comparisons"]}
    one = rows["repaired", "accuracy"]
    assert one["difference"] == pytest.approx(means["repaired", "accuracy"] - means["as_given", "accuracy"])
    assert one["ci95_over_seeds"] is None
    assert (one["units"], one["seeds"]) == (24, 1)


def test_the_same_call_trains_nothing_again_and_another_plan_is_refused(plan, tmp_path):
    plan, out = replace(plan, ceiling=False), tmp_path / "out"
    first = run_repair(out, plan)
    stamp = {path: path.stat().st_mtime_ns for path in out.glob("runs/*/model/*.safetensors")}
    assert len(stamp) == 2
    assert run_repair(out, plan) == first
    assert {path: path.stat().st_mtime_ns for path in stamp} == stamp
    with pytest.raises(InputError, match="differs in above"):
        run_repair(out, replace(plan, above=0.9))
    more = run_repair(out, replace(plan, seeds=2))
    assert {path: path.stat().st_mtime_ns for path in stamp} == stamp, "the first seed is kept"
    assert [one["seed"] for one in more["repairs"]] == [0, 1]
    accuracy = next(row for row in more["comparisons"] if row["metric"] == "accuracy")
    assert accuracy["difference"] == pytest.approx(sum(accuracy["per_seed"]) / 2)
    low, high = accuracy["ci95_over_seeds"]
    assert low <= accuracy["difference"] <= high


def test_a_killed_repair_goes_on_to_the_same_result(plan, tmp_path):
    import pickle

    plan, out = replace(plan, ceiling=False), tmp_path / "killed"
    whole = run_repair(tmp_path / "whole", plan)
    (tmp_path / "plan.pickle").write_bytes(pickle.dumps(plan))
    process = subprocess.Popen(
        [sys.executable, "-c", REPAIR, str(tmp_path / "plan.pickle"), str(out)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("training repaired-0 3"):
            process.send_signal(signal.SIGKILL)
            break
    assert process.wait() == -signal.SIGKILL
    assert not (out / "results.json").exists()
    assert run_repair(out, plan) == whole


def test_a_foreign_folder_is_left_alone(plan, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="holds no repair"):
        run_repair(tmp_path / "mine", plan)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]


def test_a_refused_repair_leaves_nothing_and_its_correction_runs(plan, tmp_path):
    plan, out = replace(plan, ceiling=False), tmp_path / "new" / "out"
    refused = [
        (replace(plan, evaluation=plan.source), "0 held out"),  # every prompt is trained on
        (replace(plan, holdout=0.6), "32 pairs; expected at least 40"),
        (replace(plan, recipe=_with_training(plan, deepspeed="nowhere.json")), "cannot be trained with here"),
    ]
    for one, told in refused:
        with pytest.raises(InputError, match=told):
            run_repair(out, one)
        assert not out.parent.exists()
    out.mkdir(parents=True)
    with pytest.raises(InputError, match="held out"):
        run_repair(out, refused[0][0])
    assert list(out.iterdir()) == [], "a folder that was there stays"
    assert run_repair(out, plan)["seeds"] == 1
    with pytest.raises(InputError, match="differs in"):
        run_repair(out, refused[0][0])
    assert (out / "results.json").is_file()


def _with_training(plan, **changes):
    from gammapo.training import parse_recipe

    content = plan.recipe.model_dump()
    return parse_recipe(content | {"training": content["training"] | changes})


def test_nothing_suspect_means_no_second_training(plan, tmp_path):
    results = run_repair(tmp_path / "out", replace(plan, above=1.0, ceiling=False))
    assert results["repairs"][0]["changed"] == 0
    assert not (tmp_path / "out" / "runs" / "repaired-0").exists()
    assert all(row["difference"] == 0 for row in results["comparisons"])


def test_dropping_and_scored_answers_with_an_evaluation_file(pair_file, recipe, tmp_path):
    source, clean = pair_file(), pair_file("clean.jsonl", count=90)
    done = noise.corrupt(data.load_pairs(source).pairs, "symmetric", rate=0.25, seed=1)
    noisy, rules = tmp_path / "noisy.jsonl", tmp_path / "rules.yaml"
    data.write_pairs(noisy, done.pairs, extra={data.MARKER: done.manifest.fingerprint})
    noise.write_manifest(noise.manifest_path(noisy), done.manifest)
    rules.write_text("rules: [{max_words: 3}]")
    plan = RepairPlan(
        source=str(noisy),
        recipe=recipe(),
        how="drop",
        evaluation=str(clean),
        scorer=f"rules:{rules}",
        max_new_tokens=8,
    )
    results = run_repair(tmp_path / "out", plan)
    pairs, (mended,) = results["pairs"], results["repairs"]
    # the first 80 of the 90 prompts are trained on
    assert (pairs["train"], pairs["held_out"], pairs["left_out"]) == (80, 10, 80)
    assert (pairs["flips"], pairs["held_out_labels"]) == (20, "as given")
    kept = {pair.id for pair in data.load_pairs(tmp_path / "out" / "mended" / "0.jsonl").pairs}
    assert len(kept) == 80 - mended["changed"]
    assert len(done.manifest.flipped & kept) == mended["missed"]
    answers = json.loads((tmp_path / "out" / "answers" / "repaired-0.json").read_text())
    assert [row["score"] for row in answers] == [float(words(row["output"]) <= 3) for row in answers]
    means = {(row["arm"], row["metric"]): row["mean"] for row in results["arms"]}
    assert means["repaired", "answer_score"] == pytest.approx(sum(row["score"] for row in answers) / 10)


def test_flips_of_held_out_pairs_are_undone_where_known(pair_file, recipe, tmp_path):
    from gammapo.repair.material import flipped_ids, make_material

    clean = data.load_pairs(pair_file()).pairs
    done = noise.corrupt(clean, "symmetric", rate=0.5, seed=1)
    noisy = tmp_path / "noisy.jsonl"
    data.write_pairs(noisy, done.pairs, extra={data.MARKER: done.manifest.fingerprint})
    noise.write_manifest(noise.manifest_path(noisy), done.manifest)
    (tmp_path / "out").mkdir()
    material = make_material(tmp_path / "out", RepairPlan(source=str(noisy), recipe=recipe(), holdout=0.5))
    assert (material.train, material.held_out, material.held_out_labels) == (40, 40, "true")
    held_out = data.load_pairs(tmp_path / "out" / "held_out.jsonl").pairs
    assert all(pair.chosen_score == 1.0 for pair in held_out)
    train = data.load_pairs(tmp_path / "out" / "train.jsonl").pairs
    assert {pair.id for pair in train if pair.chosen_score == 0.0} == flipped_ids(tmp_path / "out")
    assert not {pair.prompt for pair in train} & {pair.prompt for pair in held_out}


def test_both_sides_train_on_as_many_pairs_though_half_were_judged(plan, tmp_path):
    """Half an epoch visits half of the pairs; the other half stays in the mended file as it is."""
    half = _with_training(plan, num_train_epochs=0.5)
    results = run_repair(tmp_path / "out", replace(plan, recipe=half, by="ledger", above=0.0, ceiling=False))
    assert results["repairs"][0]["changed"] < 56
    assert len(data.load_pairs(tmp_path / "out" / "mended" / "0.jsonl").pairs) == 56
    assert results["steps"]["repaired"] == results["steps"]["as_given"]


def test_noise_in_the_recipe_says_nothing_of_the_labels_of_an_evaluation_file(pair_file, recipe, tmp_path):
    from gammapo.repair.material import make_material

    clean = pair_file("clean.jsonl", count=90)
    plan = RepairPlan(source=str(pair_file()), recipe=recipe(noise=0.25), evaluation=str(clean))
    material = make_material(tmp_path, plan)
    assert (material.held_out, material.held_out_labels, material.flips) == (10, "as given", 20)


def test_what_cannot_be_measured_or_folded_is_said_before_anything_is_trained(plan, tmp_path, monkeypatch):
    monkeypatch.setattr("gammapo.repair.run.train", lambda *_, **__: pytest.fail("trained already"))
    same = "river " * 200  # answers that differ at their ends alone, beyond the recipe's 128 tokens
    rows = [{"prompt": f"q {n}", "chosen": f"{same}sea", "rejected": f"{same}mat"} for n in range(3)]
    rows.append({"prompt": "q", "chosen": "river", "rejected": "mat"})
    long = tmp_path / "long.jsonl"
    long.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(InputError, match=r"data\.max_length: 1 held-out prompt fits"):
        run_repair(tmp_path / "out", replace(plan, evaluation=str(long)))
    with pytest.raises(InputError, match="--cross-fit: 57 folds of 56 prompts"):
        run_repair(tmp_path / "out", replace(plan, cross_fit=57))
    assert not (tmp_path / "out").exists()


def test_a_model_that_training_ran_away_with_is_named(pair_file, recipe, tmp_path, monkeypatch):
    """Its gaps are NaN, which no file of JSON can hold."""
    import torch

    from gammapo.repair import measure
    from gammapo.types import PairLogps

    data.write_pairs(tmp_path / "held_out.jsonl", data.load_pairs(pair_file(count=3)).pairs)
    lost, three = torch.full((3,), float("nan")), torch.full((3,), 3)
    logps = PairLogps(chosen=lost, rejected=lost, chosen_length=three, rejected_length=three)
    monkeypatch.setattr(measure, "read", lambda *_, **__: logps)
    with pytest.raises(RunError, match="3 of 3 held-out pairs have no finite reward gap"):
        measure.reward_gaps(tmp_path, recipe(), "model")


def test_one_prompt_alone_cannot_measure(pair_file, recipe, tmp_path):
    """Intervals are over held-out prompts; that one gives none came out only after all training."""
    from gammapo.repair.material import make_material

    plan = RepairPlan(source=str(pair_file(count=60)), recipe=recipe(), holdout=0.01)
    with pytest.raises(InputError, match="1 prompt is held out; expected at least 2"):
        make_material(tmp_path, plan)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"how": "soften"}, "--how: unknown 'soften'"),
        ({"by": "ledgr"}, "--by: unknown 'ledgr'"),
        ({"cross_fit": 1}, "--cross-fit: is 1"),
        ({"above": 1.5}, "--above: is 1.5"),
        ({"holdout": 1.0}, "--holdout: is 1.0"),
        ({"seeds": 0}, "--seeds: is 0"),
        ({"cross_fit": 2, "by": "ledger"}, "--by: is ledger"),
    ],
)
def test_bad_plans_are_refused(recipe, changes, words):
    with pytest.raises(InputError, match=words):
        RepairPlan(source="pairs.jsonl", recipe=recipe(), **changes)


def test_noise_on_noisy_pairs_and_an_unknown_truth_are_refused(pair_file, recipe, tmp_path):
    source = pair_file()
    with pytest.raises(InputError, match="true labels are not known"):
        run_repair(tmp_path / "a", RepairPlan(source=str(source), recipe=recipe(), ceiling=True))
    done = noise.corrupt(data.load_pairs(source).pairs, "symmetric", rate=0.1, seed=0)
    data.write_pairs(source, done.pairs, extra={data.MARKER: done.manifest.fingerprint}, overwrite=True)
    with pytest.raises(InputError, match="corrupted already"):
        run_repair(tmp_path / "b", RepairPlan(source=str(source), recipe=recipe(noise=0.2)))
    assert not (tmp_path / "a").exists()
    assert not (tmp_path / "b").exists()
