import json

import numpy as np
import pytest

from gammapo.errors import InputError
from gammapo.report import run_report

IDS = [f"{i:016x}" for i in range(120)]


@pytest.fixture
def run_folder(tmp_path, make_run):
    flipped = set(IDS[:36])
    folder = tmp_path / "my-run"
    make_run(folder, np.random.default_rng(0), rate=0.3, flipped=flipped, ids=IDS, clarity=True, steps=30)
    changed = {name: {"kind": "symmetric", "change": "flip", "why": "drawn"} for name in flipped}
    step = {"kind": "symmetric", "rate": 0.3, "seed": 5, "options": {}}
    (folder / "noise.json").write_text(json.dumps({"pairs": 120, "steps": [step], "changed": changed}))
    recipe = {"loss": {"name": "simpo"}, "model": {"path": "a-model"}, "data": {"path": "pairs.jsonl"}}
    about = {"status": "done", "recipe": recipe, "objective": "ℓ(r − γ)", "pairs": 120, "seconds": 61.0}
    about |= {"noise_manifest": "noise.json", "versions": {"torch": "2.13.0"}, "data_fingerprint": "abc"}
    (folder / "run.json").write_text(json.dumps(about))
    (folder / "recipe.yaml").write_text("loss: {name: simpo}\n")
    return folder


def test_a_run_folder_is_told_whole(run_folder):
    html = run_report(run_folder)
    for words in ("my-run", "loss simpo", "a-model", "ℓ(r − γ)", "36 of 120", "seed 5", "2.13.0", "AUROC"):
        assert words in html
    assert "loss: {name: simpo}" in html
    assert "not finished" not in html


def test_collapse_is_shown(run_folder):
    rows = [json.loads(line) for line in (run_folder / "metrics.jsonl").read_text().splitlines()]
    for row in rows:
        row["chosen_logp"] = -1.0 - 0.1 * row["step"]
    (run_folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    html = run_report(run_folder)
    assert 'class="note serious"' in html
    assert "became less likely" in html


def test_the_pair_files_own_manifest_is_found(run_folder, tmp_path):
    about = json.loads((run_folder / "run.json").read_text())
    about["noise_manifest"] = None
    about["recipe"]["data"]["path"] = str(tmp_path / "noisy.jsonl.gz")
    (run_folder / "run.json").write_text(json.dumps(about))
    (run_folder / "noise.json").rename(tmp_path / "noisy.noise.json")
    assert "36 of 120" in run_report(run_folder)


def test_metrics_alone_are_enough(run_folder):
    for name in ("run.json", "noise.json", "ledger.parquet", "recipe.yaml"):
        (run_folder / name).unlink()
    assert "Is it healthy?" in run_report(run_folder)


def test_an_unfinished_run_is_called_so(run_folder):
    about = json.loads((run_folder / "run.json").read_text())
    (run_folder / "run.json").write_text(json.dumps({**about, "status": "started"}))
    assert "not finished" in run_report(run_folder)


def test_no_metrics_is_an_error(tmp_path):
    with pytest.raises(InputError, match=r"metrics\.jsonl"):
        run_report(tmp_path)
    (tmp_path / "metrics.jsonl").write_text("")
    with pytest.raises(InputError, match="no step yet"):
        run_report(tmp_path)
