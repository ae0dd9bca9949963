import tracemalloc

import numpy as np
import pytest
from scipy import stats

from gammapo import evaluation
from gammapo.errors import InputError
from gammapo.evaluation import bootstrap


def test_the_mean_of_many_agrees_with_the_normal_interval():
    values = np.random.default_rng(0).normal(3, 2, 400)
    interval = evaluation.bootstrap_ci(values, n_bootstrap=4000)
    half = 1.96 * values.std(ddof=1) / 20
    assert interval.method == "bootstrap"
    assert interval.low == pytest.approx(values.mean() - half, abs=0.03)
    assert interval.high == pytest.approx(values.mean() + half, abs=0.03)


def test_the_mean_of_few_is_students_interval():
    """1, 2, 3, 4, 5: mean 3, deviation sqrt(2.5), t(4, 0.975) = 2.776445 → 3 ± 1.963243."""
    interval = evaluation.bootstrap_ci([1, 2, 3, 4, 5])
    assert interval.method == "t"
    assert (interval.low, interval.high) == pytest.approx((3 - 1.963243, 3 + 1.963243), abs=1e-6)


def test_win_rate_interval_matches_its_standard_error():
    result = evaluation.win_rate(np.random.default_rng(1).uniform(1, 2, 500))
    interval = evaluation.bootstrap_ci(result, n_bootstrap=4000)
    assert interval.standard_error == pytest.approx(result.standard_error, rel=0.05)


def test_a_win_rate_over_few_rows_has_students_interval():
    """0, 1, 1, 1, 1 in points: 80 ± t(4) · 20, cut at 100. Unjudged rows take no part."""
    rate = evaluation.win_rate([1, np.nan, 2, 2, 2, 2, np.nan])
    interval = evaluation.bootstrap_ci(rate)
    assert (interval.method, interval.n_units) == ("t", 5)
    assert (interval.low, interval.high) == pytest.approx((80 - 2.776445 * 20, 100), abs=1e-4)
    grouped = evaluation.bootstrap_ci(rate, groups=list("aabbbcc"))
    assert grouped.n_units == 3
    alone = evaluation.bootstrap_ci(evaluation.win_rate([2.0]))
    assert np.isnan([alone.low, alone.high]).all()


def test_win_rates_over_few_rows_are_compared_by_the_t_test():
    a, b = np.array([2, 2, 1.5, 2, 1, np.nan]), np.array([1, 2, 1, 1.5, 1, np.nan])
    gap = evaluation.paired_difference(evaluation.win_rate(a), evaluation.win_rate(b))
    assert gap.p_value == pytest.approx(stats.ttest_rel(a[:5], b[:5]).pvalue, rel=1e-9)
    assert gap.estimate == pytest.approx(40)


def test_the_seed_decides_everything():
    values = np.random.default_rng(2).normal(size=100)
    assert evaluation.bootstrap_ci(values, seed=7) == evaluation.bootstrap_ci(values, seed=7)
    assert evaluation.bootstrap_ci(values, seed=7) != evaluation.bootstrap_ci(values, seed=8)


def test_many_rows_are_drawn_in_chunks_and_alike(monkeypatch):
    values = np.random.default_rng(2).normal(size=100)
    whole = evaluation.bootstrap_ci(values, n_bootstrap=250)
    monkeypatch.setattr(bootstrap, "CELLS", 1000)  # ten draws at a time
    assert evaluation.bootstrap_ci(values, n_bootstrap=250) == whole


def test_groups_are_drawn_together():
    """Forty groups of ten equal rows carry the information of forty rows, not of four hundred."""
    each = np.random.default_rng(3).normal(size=40)
    rows, groups = np.repeat(each, 10), np.repeat(np.arange(40), 10).tolist()
    grouped = evaluation.bootstrap_ci(rows, groups=groups, n_bootstrap=4000)
    assert grouped.standard_error == pytest.approx(each.std(ddof=1) / 40**0.5, rel=0.06)
    assert grouped.n_units == 40
    naive = evaluation.bootstrap_ci(rows, n_bootstrap=4000)
    assert naive.standard_error < 0.4 * grouped.standard_error


def test_few_groups_use_students_interval_over_group_means():
    each = np.array([1.0, 2, 3, 4, 5])
    interval = evaluation.bootstrap_ci(np.repeat(each, 20), groups=np.repeat(np.arange(5), 20).tolist())
    assert interval == evaluation.bootstrap_ci(each)


def test_pairing_removes_what_both_share():
    rng = np.random.default_rng(4)
    shared = rng.normal(0, 5, 200)
    a, b = shared + rng.normal(0.4, 0.5, 200), shared + rng.normal(0, 0.5, 200)
    gap = evaluation.paired_difference(a, b, n_bootstrap=2000)
    assert gap.estimate == pytest.approx((a - b).mean())
    assert gap.standard_error == pytest.approx((a - b).std(ddof=1) / 200**0.5, rel=0.06)
    assert gap.p_value == pytest.approx(stats.ttest_rel(a, b).pvalue, abs=1e-4)
    assert gap.low > 0


def test_few_pairs_give_exactly_the_t_test():
    a, b = np.array([3.0, 4, 6, 5, 9]), np.array([2.0, 4, 4, 5, 6])
    assert evaluation.paired_difference(a, b).p_value == pytest.approx(stats.ttest_rel(a, b).pvalue, rel=1e-9)


def test_length_controlled_differences_refit_both_on_the_same_draws():
    rng = np.random.default_rng(5)
    lengths, reference = rng.integers(200, 900, 150), rng.integers(200, 900, 150)
    preferences = rng.integers(1, 3, 150).astype(float)
    a = evaluation.length_controlled(preferences, lengths, reference)
    gap = evaluation.paired_difference(a, a, n_bootstrap=50)
    assert (gap.estimate, gap.low, gap.high, gap.p_value) == (0, 0, 0, 1)
    better = np.where(rng.random(150) < 0.4, 2.0, preferences)
    b = evaluation.length_controlled(better, lengths, reference)
    gap = evaluation.paired_difference(b, a, n_bootstrap=200)
    assert gap.low > 0
    assert gap.p_value < 0.01


def test_holm_by_hand():
    """0.01·3, then max(0.03, 0.02·2), then max(0.04, 0.04·1): 0.03, 0.04, 0.04; order is kept."""
    assert evaluation.holm([0.04, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])
    assert evaluation.holm([0.9, 0.8]) == pytest.approx([1, 1])
    assert len(evaluation.holm([])) == 0


def test_different_numbers_of_rows_cannot_be_paired():
    with pytest.raises(InputError, match="3 rows against 2"):
        evaluation.paired_difference([1, 2, 3], [1, 2])


@pytest.mark.parametrize("bad", [[], [1.0, float("nan")], [[1.0, 2.0]]])
def test_values_that_have_no_mean_are_refused(bad):
    with pytest.raises(InputError, match="finite values"):
        evaluation.bootstrap_ci(bad)


@pytest.mark.parametrize(("n", "expected"), [(1, 1.0), (2, 0.5), (10, 2 / 1024)])
def test_a_difference_without_spread_has_the_sign_tests_p_value(n, expected):
    """All n units differ alike: the chance that n fair signs agree is 2 / 2ⁿ, rounding or not."""
    for gap in (1.0, 0.7 - 0.6):
        found = evaluation.paired_difference(np.full(n, 0.6 + gap), np.full(n, 0.6))
        assert found.p_value == pytest.approx(expected)
    wins, losses = evaluation.win_rate(np.full(n, 2.0)), evaluation.win_rate(np.full(n, 1.0))
    assert evaluation.paired_difference(wins, losses, n_bootstrap=50).p_value == pytest.approx(expected)


def test_groups_of_long_labels_take_no_memory_and_keep_their_order():
    labels = ["b", "a" * 1_000_000, *("c" for _ in range(200)), "b"]
    tracemalloc.start()
    units, counts = bootstrap.draws(len(labels), n_bootstrap=3, seed=0, groups=labels)
    drawn = next(counts)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert units == 3
    assert (drawn[:, 0] == drawn[:, -1]).all()
    assert peak < 20e6
