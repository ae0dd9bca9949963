"""Real judgement files, published numbers, and small files made by hand."""

from __future__ import annotations

import csv
import functools
import json
from pathlib import Path

import numpy as np
import pytest

from gammapo import evaluation


@pytest.fixture(scope="session")
def annotation_files(shared_data) -> dict[str, Path]:
    folder = shared_data / "alpaca_eval" / "annotations"
    return {path.name.removesuffix(".json.gz"): path for path in sorted(folder.glob("*.json.gz"))}


@pytest.fixture(scope="session")
def published(shared_data) -> dict[str, dict[str, str]]:
    with (shared_data / "alpaca_eval" / "leaderboard.csv").open() as source:
        return {row[""]: row for row in csv.DictReader(source)}


@pytest.fixture(scope="session")
def published_weights(shared_data) -> dict[str, np.ndarray]:
    """Coefficients (length, difficulty, offset) of 200 models."""
    with (shared_data / "alpaca_eval" / "glm_weights.csv").open() as source:
        rows = list(csv.reader(source))[1:]
    return {row[0]: np.array(row[1:], dtype=np.float64) for row in rows}


@pytest.fixture(scope="session")
def evaluated(annotation_files):
    """`evaluated(name, compatible)` → the evaluation of a real file without bootstrap, each made once."""

    @functools.cache
    def make(name: str, compatible: bool = False) -> evaluation.Evaluation:
        options = evaluation.Options(bootstrap=0, leaderboard_compatible=compatible)
        return evaluation.evaluate(evaluation.read_annotations(annotation_files[name]), options)

    return make


def judged_rows(n: int = 40, *, model: str = "ours", reference: str = "base", seed: int = 0, **replaced):
    """n honest-looking rows about a set of one's own."""
    rng = np.random.default_rng(seed)
    words = [f"word{k}" for k in range(500)]
    made = []
    for place in range(n):
        made.append(
            {
                "instruction": f"own question {place}",
                "output_1": " ".join(rng.choice(words, rng.integers(10, 40))),
                "generator_1": reference,
                "output_2": " ".join(rng.choice(words, rng.integers(10, 40))),
                "generator_2": model,
                "annotator": "judge",
                "preference": float(rng.integers(1, 3)),
                **replaced,
            }
        )
    return made


@pytest.fixture
def make_file(tmp_path):
    """Write rows to a file of judgements and return its path."""

    def make(rows, name: str = "annotations.json") -> Path:
        path = tmp_path / name
        path.write_text(json.dumps(rows))
        return path

    return make


@pytest.fixture
def own_rows():
    return judged_rows
