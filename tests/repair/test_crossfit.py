"""Cross-fitting on a tiny real model: a label never speaks for itself."""

import json
from contextlib import nullcontext

import numpy as np
import pytest

from gammapo import data, noise
from gammapo.audit import audit_witnesses
from gammapo.audit.witness import fold_of
from gammapo.errors import InputError
from gammapo.repair import RepairPlan, run_repair
from gammapo.repair.crossfit import NAMES, cross_fit


def silent(_):
    return nullcontext(lambda done, total: None)


def test_a_pairs_witnesses_do_not_see_its_label(pair_file, recipe, tmp_path):
    pairs = list(data.load_pairs(pair_file(count=40)).pairs)
    fold = fold_of([pair.prompt for pair in pairs], 2, 3)
    turned = [pair.flipped() if place == 0 else pair for pair, place in zip(pairs, fold, strict=True)]
    one = cross_fit(tmp_path / "one", recipe(), pairs, 2, seed=3, stage=silent)
    two = cross_fit(tmp_path / "two", recipe(), turned, 2, seed=3, stage=silent)
    assert one.names == NAMES
    assert one.ids == two.ids
    first = np.array([dict(zip([p.id for p in pairs], fold, strict=True))[name] == 0 for name in one.ids])
    # fold 0 is judged by the model of fold 1, whose labels are the same: only the sign turns
    assert two.values[first] == pytest.approx(-one.values[first], abs=2e-5)
    # fold 1 is judged by a model that learnt the opposite
    trained = NAMES.index("trained")
    assert one.values[~first, trained].mean() > 0 > two.values[~first, trained].mean()


def test_it_goes_on_and_refuses_other_pairs(pair_file, recipe, tmp_path):
    pairs = list(data.load_pairs(pair_file(count=24)).pairs)
    first = cross_fit(tmp_path / "cf", recipe(), pairs, 2, seed=0, stage=silent)
    (tmp_path / "cf" / "witnesses.json").unlink()
    stamp = {path: path.stat().st_mtime_ns for path in (tmp_path / "cf").glob("run-*/model/*.safetensors")}
    again = cross_fit(tmp_path / "cf", recipe(), pairs, 2, seed=0, stage=silent)
    assert (again.values == first.values).all()
    assert {path: path.stat().st_mtime_ns for path in stamp} == stamp
    with pytest.raises(InputError, match="differs in pairs"):
        cross_fit(tmp_path / "cf", recipe(), pairs[1:], 2, seed=0, stage=silent)
    with pytest.raises(InputError, match="differs in folds"):
        cross_fit(tmp_path / "cf", recipe(), pairs, 3, seed=0, stage=silent)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="holds no cross-fit"):
        cross_fit(tmp_path / "mine", recipe(), pairs, 2, seed=0, stage=silent)


def test_flips_are_found_and_counted(pair_file, recipe, tmp_path):
    done = noise.corrupt(data.load_pairs(pair_file(count=120)).pairs, "symmetric", rate=0.25, seed=1)
    witnesses = cross_fit(tmp_path / "cf", recipe(), done.pairs, 2, seed=0, stage=silent)
    found = audit_witnesses("cf", witnesses, done.pairs, flipped=done.manifest.flipped)
    assert found.truth is not None
    assert found.truth.auroc is not None
    assert found.truth.auroc > 0.9
    assert found.rate_ci95[0] <= 0.25 <= found.rate_ci95[1]


def test_repair_by_cross_fitting(pair_file, recipe, tmp_path):
    source = str(pair_file(count=100))
    plan = RepairPlan(source=source, recipe=recipe(noise=0.25), holdout=0.2, cross_fit=2)
    results = run_repair(tmp_path / "out", plan)
    (mended,) = results["repairs"]
    assert mended["auroc"] > 0.9
    assert mended["right"] >= 0.3 * results["pairs"]["flips"]
    assert mended["harmed"] <= 0.2 * mended["changed"]
    accuracy = next(row for row in results["comparisons"] if row["metric"] == "accuracy")
    assert accuracy["difference"] >= 0
    assert json.loads((tmp_path / "out" / "audits" / "0.json").read_text())["surest_pairs"] == 20
