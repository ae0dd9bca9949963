import numpy as np
import pytest

from gammapo.evaluation import glm
from gammapo.evaluation.length_problem import GRID, Problem, choose_penalty
from gammapo.evaluation.tables import packaged_tables


def official_problem(seed: int = 0, n: int = 805) -> Problem:
    tables = packaged_tables()
    rng = np.random.default_rng(seed)
    gaps = rng.normal(300, 800, n).round()
    eta = -1.5 * np.tanh(gaps / gaps.std(ddof=1)) + 0.8 * tables.difficulty[:n] - 1
    scores = (rng.random(n) < glm.sigmoid(eta)).astype(np.float64)
    return Problem(scores=scores, length_gaps=gaps, difficulty=tables.difficulty[:n], tables=tables)


def test_cross_validation_agrees_with_sklearns_grouped_folds_and_liblinear():
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold

    problem = official_problem()
    own, gamed = problem.blocks(np.ones((1, 805)))
    X = np.concatenate([np.stack(gamed.columns, axis=1), np.stack(own.columns, axis=1)])
    p = np.concatenate([gamed.targets, own.targets])
    s = np.concatenate([gamed.weights, own.weights[0]])
    n = len(p)
    doubled, label = np.r_[X, X], np.r_[np.ones(n), np.zeros(n)]
    share, weight = np.r_[p, 1 - p], np.r_[s, s]
    quality = np.zeros(len(GRID))
    for train, test in GroupKFold(5).split(doubled, label, np.r_[np.arange(n), np.arange(n)]):
        for place, C in enumerate(GRID):
            model = LogisticRegression(
                C=C, l1_ratio=1, solver="liblinear", fit_intercept=False, tol=1e-8, random_state=0
            ).fit(doubled[train], label[train], sample_weight=(share * weight)[train])
            q = np.clip(model.predict_proba(doubled[test])[:, 1], 1e-15, 1 - 1e-15)
            truth = np.where(label[test] == 1, share[test], 1 - share[test])
            quality[place] += np.mean(weight[test] * (truth * np.log(q) + (1 - truth) * np.log(1 - q)))
    assert choose_penalty(problem) == GRID[np.argmax(quality)]


def test_a_resample_equals_a_fit_of_the_rows_written_out():
    problem = official_problem(1)
    rng = np.random.default_rng(2)
    drawn = rng.integers(0, 805, 805)
    counts = np.bincount(drawn, minlength=805).astype(np.float64)
    written = Problem(
        scores=problem.scores[drawn],
        length_gaps=problem.length_gaps[drawn],
        difficulty=packaged_tables().difficulty[drawn],
        tables=problem.tables,
    )
    penalty = problem.penalty(2.78)
    weighted = glm.fit(problem.blocks(np.stack([counts, np.ones(805)])), penalty, replicates=2)[0]
    plain = glm.fit(written.blocks(np.ones((1, 805))), penalty)[0]
    assert weighted == pytest.approx(plain, abs=1e-7)


def test_own_sets_are_all_but_free_of_a_penalty():
    official = official_problem()
    own = Problem(scores=official.scores, length_gaps=official.length_gaps, difficulty=None, tables=None)
    assert official.penalty(0.5) == pytest.approx([2, 2, 2])
    assert own.penalty(choose_penalty(own)) == pytest.approx([1e-4, 1e-4])


def test_equal_gaps_carry_no_length_term():
    problem = Problem(scores=np.array([1.0, 0, 1]), length_gaps=np.full(3, 0.1), difficulty=None, tables=None)
    assert (problem.blocks(np.ones((1, 3)))[0].columns[0] == 0).all()
