import numpy as np
import pytest

from gammapo.evaluation import glm


def problem(seed: int, n: int = 300):
    rng = np.random.default_rng(seed)
    X = np.stack([np.tanh(rng.normal(size=n)), rng.normal(size=n), np.ones(n)], axis=1)
    p = glm.sigmoid(X @ np.array([-1.2, 0.7, 0.4]) + rng.normal(size=n))
    weights = rng.uniform(0.1, 1, n)
    return X, p, weights


def rows(X, p, weights):
    return glm.Rows(columns=tuple(X.T.copy()), targets=p, weights=weights)


@pytest.mark.parametrize("C", [1e-4, 0.01, 0.1, 1, 1e4])
def test_agrees_with_liblinear_on_duplicated_rows(C):
    """liblinear sees each row twice, as y=1 with weight p·s and as y=0 with weight (1−p)·s."""
    from sklearn.linear_model import LogisticRegression

    X, p, s = problem(0)
    theirs = LogisticRegression(
        C=C, l1_ratio=1, solver="liblinear", fit_intercept=False, tol=1e-10, max_iter=10_000, random_state=0
    )
    theirs.fit(np.r_[X, X], np.r_[np.ones(len(p)), np.zeros(len(p))], sample_weight=np.r_[p * s, (1 - p) * s])
    ours = glm.fit([rows(X, p, s[None])], np.full(3, 1 / C))[0]
    assert ours == pytest.approx(theirs.coef_[0], abs=2e-5)
    if C == 1e-4:
        assert (ours == 0).all()  # the penalty holds every coefficient at exactly zero


def test_the_optimum_satisfies_the_subgradient_conditions():
    X, p, s = problem(1)
    penalty = np.array([5.0, 20.0, 0.0])
    w = glm.fit([rows(X, p, s[None])], penalty)[0]
    pull = X.T @ (s * (p - glm.sigmoid(X @ w)))
    for j in range(3):
        if w[j] == 0:
            assert abs(pull[j]) <= penalty[j] + 1e-6
        else:
            assert pull[j] == pytest.approx(penalty[j] * np.sign(w[j]), abs=1e-6)


def test_many_replicates_equal_one_fit_each():
    X, p, s = problem(2)
    counts = np.random.default_rng(3).multinomial(len(p), np.full(len(p), 1 / len(p)), size=5) * s
    together = glm.fit([rows(X, p, counts)], np.full(3, 0.4), replicates=5)
    for b in range(5):
        alone = glm.fit([rows(X, p, counts[b][None])], np.full(3, 0.4))[0]
        assert together[b] == pytest.approx(alone, abs=1e-8)


def test_blocks_add_up_to_the_rows_stacked():
    X, p, s = problem(4)
    split = [rows(X[:100], p[:100], s[:100]), rows(X[100:], p[100:], s[None, 100:])]
    assert glm.fit(split, np.full(3, 0.1))[0] == pytest.approx(
        glm.fit([rows(X, p, s[None])], np.full(3, 0.1))[0], abs=1e-9
    )


def test_nearly_collinear_columns_arrive_at_the_optimum():
    """A length term of 0.99 to 1 beside an offset: descent by coordinates crawls along their valley."""
    rng = np.random.default_rng(4)
    term = np.tanh(rng.normal(5, 1, 200))
    won, ones = (rng.random(200) < 0.6).astype(float), np.ones(200)
    penalty = np.array([1e-3, 1e-4])
    w = glm.fit([glm.Rows(columns=(term, ones), targets=won, weights=ones[None])], penalty)[0]
    pull = np.array([term, ones]) @ (won - glm.sigmoid(w[0] * term + w[1]))
    assert (np.abs(w) > 0.1).all()
    assert pull == pytest.approx(penalty * np.sign(w), abs=1e-8)


def test_more_coefficients_than_sign_patterns_can_be_tried_for():
    rng = np.random.default_rng(5)
    X, p, weights = rng.normal(size=(300, 6)), rng.random(300), np.ones(300)
    w = glm.fit([rows(X, p, weights[None])], np.full(6, 2.0))[0]
    pull = X.T @ (p - glm.sigmoid(X @ w))
    assert (w == 0).any()
    assert (w != 0).any()
    assert pull[w != 0] == pytest.approx(2 * np.sign(w[w != 0]), abs=1e-6)
    assert (np.abs(pull[w == 0]) <= 2 + 1e-6).all()


def test_separable_rows_stay_finite():
    ones = np.ones(20)
    w = glm.fit([glm.Rows(columns=(ones,), targets=ones, weights=ones[None])], np.array([1e-4]))
    assert np.isfinite(w).all()
    assert glm.sigmoid(w[0, 0]) > 0.9999
