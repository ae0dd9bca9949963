import numpy as np
import pytest

from gammapo.errors import InputError
from gammapo.evaluation import glm, joint_difficulty


def simulated(models: int = 6, n: int = 300):
    rng = np.random.default_rng(0)
    difficulty = rng.normal(0, 1.5, n)
    offsets = rng.normal(0, 1, models)[:, None]
    scores = (rng.random((models, n)) < glm.sigmoid(offsets + difficulty)).astype(float)
    return difficulty, scores, rng.normal(0, 300, (models, n))


def test_difficulty_is_recovered_from_the_other_models():
    truth, scores, gaps = simulated()
    found = joint_difficulty(scores, gaps)
    assert found.shape == scores.shape
    assert found.mean(axis=1) == pytest.approx(np.zeros(6), abs=1e-9)
    for row in found:
        assert np.corrcoef(row, truth)[0, 1] > 0.75


def test_a_models_own_preferences_do_not_explain_themselves():
    _, scores, gaps = simulated()
    before = joint_difficulty(scores, gaps)
    flipped = scores.copy()
    flipped[2] = 1 - flipped[2]
    after = joint_difficulty(flipped, gaps)
    assert after[2] == pytest.approx(before[2])
    assert not np.allclose(after[1], before[1])


def test_rows_without_a_judgement_say_nothing():
    _, scores, gaps = simulated()
    scores[:, 0] = np.nan
    found = joint_difficulty(scores, gaps)
    assert np.isfinite(found).all()


def test_two_models_are_too_few():
    with pytest.raises(InputError, match="2 models"):
        joint_difficulty(np.zeros((2, 5)), np.zeros((2, 5)))
    with pytest.raises(InputError, match="two arrays"):
        joint_difficulty(np.zeros((3, 5)), np.zeros((3, 4)))
