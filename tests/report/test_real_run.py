"""The report of what the trainer really writes, so that the two cannot drift apart."""

import json

import pytest

from gammapo.health import signs
from gammapo.report import run_report
from gammapo.report.run import CHANGES
from gammapo.report.training_files import read_metrics


@pytest.fixture(scope="module")
def trained(tiny_model_dir, tmp_path_factory):
    from gammapo.training import parse_recipe, train

    folder = tmp_path_factory.mktemp("real")
    rows = [
        {
            "prompt": f"Tell me about a river {i}.",
            "chosen": f"The river runs {i}.",
            "rejected": f"A cat {i} sat.",
        }
        for i in range(16)
    ]
    (folder / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe = {
        "model": {"path": str(tiny_model_dir)},
        "data": {"path": str(folder / "pairs.jsonl"), "max_length": 128},
        "noise": {"kind": "symmetric", "rate": 0.25, "seed": 3},
        "loss": {"name": "simpo", "beta": 2.5, "gamma_beta_ratio": 0.4},
        "training": {
            "learning_rate": 1e-3,
            "num_train_epochs": 3,
            "pairs_per_step": 4,
            "tokens_per_batch": 512,
        },
        "output": str(folder / "run"),
    }
    train(parse_recipe(recipe))
    return folder / "run"


def test_the_trainers_own_run_folder_is_told_whole(trained):
    html = run_report(trained)
    for words in (
        "loss simpo",
        "4 of 16 training pairs",
        "seed 3",
        "Reward gap",
        "AUROC",
        "pairs_per_step: 4",
    ):
        assert words in html


def test_the_metrics_have_the_names_that_the_report_looks_for(trained):
    metrics = read_metrics(trained / "metrics.jsonl")
    optional = {"clarity_mean", "sample_length"}
    assert set(CHANGES) - optional <= set(metrics[-1])
    assert signs(metrics)
