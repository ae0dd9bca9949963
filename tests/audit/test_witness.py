"""Witnesses of known worth: labels ranked, ε bounded, and the cases in which neither works."""

import numpy as np
import pytest
from scipy.optimize import check_grad
from scipy.special import expit

from gammapo.audit import Witnesses, audit_witnesses, judge, text_witnesses
from gammapo.audit.truth import against_truth
from gammapo.audit.witness import clopper_pearson, fit, fold_of
from gammapo.errors import InputError


def made(rate, *, n=2000, clarity=2.0, error=0.5, seed=0):
    """Witnesses of n labels, of which `rate` are flipped, and which.

    A pair's true gap is normal; a first witness sees it with an error, a second one is noise. Labels are
    Bradley–Terry on the gap with slope `clarity` before they are flipped, so some are honestly doubtful.
    """
    rng = np.random.default_rng(seed)
    gap = rng.normal(size=n)
    label = np.where(rng.random(n) < expit(2 * clarity * gap), 1.0, -1.0)
    wrong = rng.random(n) < rate
    x = np.column_stack([gap + error * rng.normal(size=n), rng.normal(size=n)])
    x = x * (label * np.where(wrong, -1, 1))[:, None]
    return Witnesses(ids=tuple(map(str, range(n))), names=("trained", "noise"), values=x), wrong


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.2, 0.3, 0.4])
def test_symmetric_flips_are_ranked_bounded_and_nearly_counted(rate):
    shares = []
    for seed in range(5):
        witnesses, wrong = made(rate, seed=seed)
        found = judge(witnesses)
        shares.append(found.share)
        low, high = found.share_ci95
        assert low - 1e-9 <= found.share <= high
        assert found.sure == 200
        if rate:
            truth = against_truth(found.probability, wrong)
            assert truth.auroc is not None
            assert truth.auroc > 0.75
            assert truth.calibration_error < (0.08 if rate < 0.25 else 0.25)
    # an upper bound, but for chance; the witnesses are wrong of about one in ten of the surest pairs
    assert rate - 0.05 < np.mean(shares) < rate + 0.1 * (1 - 2 * rate) + 0.04


def test_a_useless_witness_gets_no_weight():
    witnesses, _ = made(0.2)
    weights = judge(witnesses).weights
    assert abs(weights[1]) < 0.1 * abs(weights[0])


def test_few_pairs_and_many_useless_witnesses_do_not_seem_to_agree():
    """Witnesses of nothing contradict half of the labels; weighed by these same labels they did a third."""
    shares = []
    for seed in range(40):
        values = np.random.default_rng(seed).normal(size=(100, 5))
        names = tuple("abcde")
        shares.append(judge(Witnesses(ids=tuple(map(str, range(100))), names=names, values=values)).share)
    assert np.mean(shares) > 0.4


def useless(n, seed):
    values = np.random.default_rng(seed).normal(size=(n, 4))
    return Witnesses(ids=tuple(map(str, range(n))), names=tuple("abcd"), values=values)


def test_witnesses_that_know_nothing_are_told_and_those_that_know_too(pair):
    """By their p-value: of useless ones about one in twenty passes, of good ones all do."""
    passed = sum(judge(useless(300, seed)).p_value < 0.05 for seed in range(40))
    assert passed <= 7  # 40 draws at 0.05: more than 7 has a probability of 0.2 %
    assert all(judge(made(0.3, n=600, seed=seed)[0]).p_value < 0.05 for seed in range(10))
    assert judge(Witnesses(ids=tuple("a" * 50), names=("x",), values=np.zeros((50, 1)))).p_value == 1.0
    blind = next(w for w in (useless(300, seed) for seed in range(40)) if judge(w).p_value > 0.05)
    pairs = [pair(str(i), prompt=f"question {i}") for i in range(300)]
    assert not audit_witnesses("texts", blind, pairs).knows


def drawn(pair, seed, *, prompts=60, each=5):
    """Pairs of random words, `each` of a prompt with one chosen answer in common; no text tells any label."""
    rng = np.random.default_rng(seed)
    words = [f"w{i}" for i in range(300)]

    def text(most):
        return " ".join(rng.choice(words, rng.integers(8, most))) + rng.choice([".", "", "!", ","])

    found = []
    for number in range(prompts):
        prompt, chosen = text(9), text(40)
        found += [pair(f"{number}-{i}", chosen, text(40), prompt=prompt) for i in range(each)]
    return found


def test_pairs_that_share_a_prompt_are_no_witnesses_of_one_another(pair):
    """Of useless witnesses some one in nine passes; where each pair counted for itself, six in ten did."""
    passed = 0
    for seed in range(40):
        pairs = drawn(pair, seed)
        passed += audit_witnesses("texts", text_witnesses(pairs), pairs).knows
    assert passed <= 10  # at one in nine, more than 10 of 40 has a probability of 0.4 %


def test_weights_do_not_learn_from_the_prompt_that_they_are_asked_about():
    """Copies of a pair in other folds would give its label away, and useless witnesses seem to know it."""
    prompts = np.repeat(np.arange(60), 5).tolist()
    apart = together = 0
    for seed in range(20):
        values = np.repeat(np.random.default_rng(seed).normal(size=(60, 5)), 5, axis=0)
        witnesses = Witnesses(ids=tuple(map(str, prompts)), names=tuple("abcde"), values=values)
        apart += judge(witnesses).p_value < 0.05
        together += judge(witnesses, prompts).p_value < 0.05
    assert apart >= 15
    assert together <= 5


def test_a_prompt_of_its_own_for_each_pair_changes_nothing():
    witnesses, _ = made(0.2, n=300)
    plain, named = judge(witnesses), judge(witnesses, [f"question {i}" for i in range(300)])
    assert (plain.p_value, plain.share, plain.fitted_share) == (
        named.p_value,
        named.share,
        named.fitted_share,
    )
    assert (plain.probability == named.probability).all()


def test_too_few_prompts_are_refused():
    witnesses, _ = made(0.2, n=100)
    with pytest.raises(InputError, match="pairs of 4 prompts; expected at least 5"):
        judge(witnesses, [i % 4 for i in range(100)])
    assert judge(witnesses, [i % 5 for i in range(100)]).p_value >= 1 / 32  # the least that five prompts give


def test_weak_witnesses_accuse_few_labels_of_a_clean_file():
    """All these labels are right; with ε at its bound far more of them are called more likely wrong."""
    made_of = [made(0.0, clarity=0.4, error=1.0, n=1000, seed=seed)[0] for seed in range(10)]
    accused = [(judge(one).probability > 0.5).mean() for one in made_of]
    at_bound = []
    for one in made_of:
        share = judge(one).share
        evidence = one.values @ fit(one.values, rate=share).weights
        at_bound.append((expit(np.log(share / (1 - share)) - evidence) > 0.5).mean())
    assert np.mean(accused) < 0.6 * np.mean(at_bound)


def test_weak_witnesses_give_a_bound_far_above_the_truth():
    """No witness is ever sure here, so the surest tenth still holds much honest doubt."""
    found = judge(made(0.1, clarity=0.3, error=2.0)[0])
    assert found.share > 0.25


def test_the_units_of_a_witness_do_not_matter():
    witnesses, _ = made(0.2)
    scaled = Witnesses(ids=witnesses.ids, names=witnesses.names, values=witnesses.values * [1000.0, 0.01])
    assert judge(scaled).probability == pytest.approx(judge(witnesses).probability, abs=1e-3)


def test_exchanging_a_pairs_answers_mirrors_it():
    witnesses, _ = made(0.2, n=400)
    values = witnesses.values.copy()
    found = judge(witnesses)
    suspect = int(np.argmax(found.probability))
    values[suspect] *= -1
    again = judge(Witnesses(ids=witnesses.ids, names=witnesses.names, values=values))
    assert again.probability[suspect] < 0.5 < found.probability[suspect]
    assert again.evidence[suspect] == pytest.approx(-found.evidence[suspect], rel=0.25)


def test_fit_finds_both_parameters_of_its_own_model():
    """Labels drawn from ε + (1−2ε)σ(w·x) with extreme x: ε = 0.2, w = (1.5, −0.5)."""
    rng = np.random.default_rng(0)
    x = 4 * rng.normal(size=(20000, 2))
    right = rng.random(20000) < 0.2 + 0.6 * expit(x @ [1.5, -0.5])
    found = fit(np.where(right, 1.0, -1.0)[:, None] * x)
    assert found.rate == pytest.approx(0.2, abs=0.015)
    assert found.weights == pytest.approx([1.5, -0.5], abs=0.15)


def test_the_likelihoods_slope_is_that_of_its_value(monkeypatch):
    from gammapo.audit import witness

    asked = []

    def spy(function, start, **options):
        asked.append((function, np.asarray(start, dtype=float)))
        return minimize(function, start, **options)

    minimize = witness.minimize
    monkeypatch.setattr(witness, "minimize", spy)
    fit(made(0.2, n=300)[0].values)
    fit(made(0.2, n=300)[0].values, rate=0.1)
    for function, start in asked:
        value, slope = (lambda p, f=function: f(p)[0]), (lambda p, f=function: f(p)[1])
        assert check_grad(value, slope, start + 0.1) < 1e-5


def test_clopper_pearson_by_the_book():
    """0 of 10: 0 to 1 − 0.025^(1/10) = 0.3085; 5 of 10: 0.187 to 0.813."""
    assert clopper_pearson(0, 10) == pytest.approx((0.0, 0.3085), abs=1e-4)
    assert clopper_pearson(5, 10) == pytest.approx((0.1871, 0.8129), abs=1e-4)
    assert clopper_pearson(10, 10)[1] == 1.0


def test_folds_keep_groups_together_and_are_of_like_size():
    groups = [f"p{i // 2}" for i in range(30)]
    fold = fold_of(groups, 4, seed=1)
    assert all(fold[i] == fold[i + 1] for i in range(0, 30, 2))
    assert sorted(np.bincount(fold)) == [6, 8, 8, 8]
    assert (fold == fold_of(groups, 4, seed=1)).all()
    with pytest.raises(InputError, match="16 folds of 15 prompts"):
        fold_of(groups, 16, seed=1)


def test_faults_are_named(pair):
    witnesses, _ = made(0.2, n=100)
    with pytest.raises(InputError, match="1 witnessed pairs are not in the pair file"):
        audit_witnesses("cf", witnesses, [pair(str(i)) for i in range(99)])
    with pytest.raises(InputError, match="30 pairs"):
        judge(made(0.2, n=30)[0])
    with pytest.raises(InputError, match="not a finite number"):
        Witnesses(ids=("a",), names=("x",), values=np.array([[np.nan]]))


def test_the_audit_carries_the_truth_and_the_most_suspect_first(pair):
    witnesses, wrong = made(0.2, n=300)
    flipped = {str(i) for i in np.flatnonzero(wrong)}
    pairs = [pair(str(i), prompt=f"question {i}") for i in range(300)]
    found = audit_witnesses("cf", witnesses, pairs, flipped=flipped)
    probabilities = [one.probability for one in found.suspects]
    assert probabilities == sorted(probabilities, reverse=True)
    assert found.truth is not None
    assert found.truth.flips == len(flipped)
    assert (found.visits, found.rate_first_visit) == (None, None)
    assert found.as_dict()["surest_pairs"] == 30


def test_the_interval_holds_the_share_where_it_is_cut():
    """Witnesses that contradict most labels: the share stays at 0.49, below their interval."""
    values = np.random.default_rng(2).normal(size=(60, 3))
    found = judge(Witnesses(ids=tuple(map(str, range(60))), names=("a", "b", "c"), values=values))
    assert found.share == 0.49
    assert found.share_ci95[0] <= found.share < found.share_ci95[1]
