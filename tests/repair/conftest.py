"""A pair file that a tiny random model can learn: the better answer uses the words of one half of a list."""

from __future__ import annotations

import json
import random

import pytest

from gammapo.training import parse_recipe

GOOD, BAD = "river sea hill bird".split(), "cat mat rain one".split()


def rows(count: int, seed: int) -> list[dict]:
    rng = random.Random(seed)
    return [
        {
            "prompt": f"Tell me about {rng.choice(WORDS)} and {number}",
            "chosen": " ".join(rng.choices(GOOD, k=rng.randint(3, 6))),
            "rejected": " ".join(rng.choices(BAD, k=rng.randint(3, 6))),
            "score_chosen": 1.0,
            "score_rejected": 0.0,
        }
        for number in range(count)
    ]


WORDS = "snow bridge mountain river".split()


@pytest.fixture
def pair_file(tmp_path):
    def make(name="pairs.jsonl", count=80, seed=0):
        path = tmp_path / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows(count, seed)))
        return path

    return make


@pytest.fixture
def recipe(tiny_model_dir):
    def make(noise=None, **changes):
        content = {
            "model": {"path": str(tiny_model_dir)},
            "data": {"path": "unused", "max_length": 128},
            "loss": {"name": "simpo", "beta": 2.5, "gamma_beta_ratio": 0.4},
            "training": {
                "learning_rate": 5e-3,
                "num_train_epochs": 2,
                "pairs_per_step": 8,
                "save_steps": 100,
            },
            "output": "unused",
        }
        if noise is not None:
            content["noise"] = {"kind": "symmetric", "rate": noise, "seed": 0}
        return parse_recipe({**content, **changes})

    return make
