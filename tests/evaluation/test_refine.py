import csv

import numpy as np
import pytest

from gammapo.evaluation import glm
from gammapo.evaluation.refine import GamedModel, published_penalty, refine
from gammapo.evaluation.tables import packaged_tables

NAMES = ("gpt4_1106_preview_verbose", "gpt4_1106_preview_concise")


@pytest.fixture(scope="module")
def gamed(shared_data, published, published_weights) -> list[GamedModel]:
    with (shared_data / "alpaca_eval" / "gamed_baselines.csv").open() as source:
        rows = list(csv.DictReader(source))

    def column(name: str, key: str) -> np.ndarray:
        return np.array([float(row[key]) for row in rows if row["model"] == name])

    return [
        GamedModel(
            length_gap=column(name, "std_delta_len"),
            difficulty=column(name, "instruction_difficulty"),
            preference=column(name, "preference_reconstructed"),
            coefficients=published_weights[name],
            win_rate=float(published[name]["win_rate"]),
        )
        for name in NAMES
    ]


def test_the_packaged_preferences_are_what_refining_gives(gamed):
    assert np.concatenate(refine(gamed)) == pytest.approx(packaged_tables().gamed_preference, abs=1e-9)


def test_the_published_penalty_is_found_in_the_offset_equation(gamed):
    """Both fits were at C = 2.78; win rates say so to three digits."""
    assert [published_penalty(model) for model in gamed] == pytest.approx([0.35938] * 2, abs=1e-5)


def test_fitting_the_gamed_models_returns_their_published_coefficients(gamed):
    preferences = refine(gamed)
    everything = np.concatenate([model.design for model in gamed])
    everything[:, 2] = 0
    extra = glm.Rows(
        columns=tuple(everything.T.copy()),
        targets=np.concatenate(preferences),
        weights=np.full(len(everything), 0.1),
    )
    for model, own in zip(gamed, preferences, strict=True):
        rows = glm.Rows(columns=tuple(model.design.T.copy()), targets=own, weights=np.ones((1, len(own))))
        fitted = glm.fit([rows, extra], np.full(3, published_penalty(model)))[0]
        assert fitted == pytest.approx(model.coefficients, abs=2e-4)
        assert 100 * own.mean() == pytest.approx(model.win_rate, abs=1e-9)
