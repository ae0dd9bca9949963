"""Small real data and recipes for the training tests."""

from __future__ import annotations

import json
import random

import pytest

from gammapo.types import TokenizedPair


@pytest.fixture
def pair_file(tmp_path):
    """40 pairs of ragged lengths with scores, as JSONL."""
    rng = random.Random(0)
    words = "the river runs to the sea and a cat sat on a mat while rain fell over every hill".split()

    def text(most):
        return " ".join(rng.choice(words) for _ in range(rng.randint(1, most)))

    path = tmp_path / "pairs.jsonl"
    with path.open("w") as out:
        for _ in range(40):
            row = {"prompt": "Tell me about " + text(5), "chosen": text(9), "rejected": text(9) + "."}
            out.write(json.dumps(row | {"chosen_score": rng.random(), "rejected_score": rng.random()}) + "\n")
    return path


@pytest.fixture
def recipe_dict(tiny_model_dir, pair_file, tmp_path):
    return {
        "model": {"path": str(tiny_model_dir)},
        "data": {"path": str(pair_file), "max_length": 128},
        "loss": {"name": "gamma_simpo", "beta": 2, "gamma_beta_ratio": 0.3},
        "training": {
            "learning_rate": 1e-3,
            "num_train_epochs": 2,
            "pairs_per_step": 8,
            "tokens_per_batch": 120,
            "save_steps": 2,
        },
        "output": str(tmp_path / "run"),
    }


def make_pairs(count: int, seed: int = 0, vocabulary: int = 300) -> list[TokenizedPair]:
    rng = random.Random(seed)

    def ids(most):
        return tuple(rng.randrange(6, vocabulary) for _ in range(rng.randint(1, most)))

    return [TokenizedPair(id=f"p{i}", prompt=ids(12), chosen=ids(9), rejected=ids(9)) for i in range(count)]
