"""gammapo: its limits exactly, each of its parts by hand, and what moves its trust."""

import dataclasses
import math

import pytest
import torch

from gammapo import losses, margins
from gammapo.errors import InputError
from gammapo.types import PairLogps

PLAIN = {"guard": 0.0}  # no part but the margin


def batch(size=8, seed=0, scores=False) -> PairLogps:
    draw = torch.Generator().manual_seed(seed)

    def values(low, high):
        return low + (high - low) * torch.rand(size, generator=draw, dtype=torch.float64)

    return PairLogps(
        chosen=values(-20, -5),
        rejected=values(-20, -5),
        chosen_length=torch.full((size,), 5.0, dtype=torch.float64),
        rejected_length=torch.full((size,), 4.0, dtype=torch.float64),
        reference_chosen=values(-14, -6),
        reference_rejected=values(-14, -6),
        chosen_score=values(0, 4) if scores else None,
        rejected_score=values(0, 4) if scores else None,
    )


def agreeing(share: float, size: int = 400) -> PairLogps:
    """Pairs whose gaps, of sizes spread from 0 to 2, agree with a share of the labels."""
    gaps = torch.linspace(0.05, 2, size, dtype=torch.float64)
    gaps = torch.where(torch.arange(size) % 10 < round(10 * share), gaps, -gaps)
    same = torch.full_like(gaps, -8.0)
    length = torch.full_like(gaps, 4.0)
    return PairLogps(
        chosen=same + 2 * gaps,
        rejected=same - 2 * gaps,
        chosen_length=length,
        rejected_length=length,
        reference_chosen=same,
        reference_rejected=same,
    )


def test_without_guard_it_is_anchored_simpo():
    logps = batch()
    ours = losses.create("gammapo", **PLAIN)(logps)
    theirs = losses.create("anchored_simpo", beta=2.5, gamma_beta_ratio=1.0)(logps)
    assert torch.equal(ours.per_pair, theirs.per_pair)
    assert torch.equal(ours.weights, theirs.weights)


def test_with_sums_a_margin_of_0_and_no_guard_it_is_dpo():
    logps = batch()
    ours = losses.create("gammapo", per_token=False, beta=0.1, gamma=0.0, **PLAIN)(logps)
    assert torch.allclose(ours.per_pair, losses.create("dpo", beta=0.1)(logps).per_pair)


def test_margins_can_be_kl_optimal_among_the_window():
    loss = losses.create("gammapo", guard=0.0, adapt=1.0)
    first, second = batch(seed=1), batch(seed=2)
    state = loss(first).state
    out = loss(second, state)
    group = torch.cat([loss(first).reward_gaps.float().double(), out.reward_gaps])
    assert torch.allclose(out.target_margins, margins.kl_optimal(group, 2.5, 3.0)[8:], rtol=1e-5)


def test_the_guard_by_hand():
    """Anchored SimPO plus guard·β·max(0, d − s·allowance)²."""
    logps = batch()
    plain = losses.create("gammapo", **PLAIN)(logps).per_pair
    d = ((logps.reference_chosen - logps.chosen) / 5 + (logps.reference_rejected - logps.rejected) / 4) / 2
    for s in (0.0, 0.5, 1.0):
        out = losses.create("gammapo", guard=2.0, allowance=0.6, trust=s)(logps)
        extra = 2.0 * 2.5 * (d - 0.6 * s).clamp(min=0) ** 2
        assert (extra > 0).any()
        assert torch.allclose(out.per_pair, plain + extra)


def test_labels_that_fresh_pairs_confirm_buy_drift_and_flips_take_it_away():
    """The guard's share of the loss, by how many of 10 labels agree with the model's gaps."""

    def penalty(share):
        fallen = agreeing(share)
        fallen = dataclasses.replace(
            fallen,
            reference_chosen=fallen.reference_chosen + 4,
            reference_rejected=fallen.reference_rejected + 4,
        )
        guarded = losses.create("gammapo")(fallen).per_pair
        return (guarded - losses.create("gammapo", **PLAIN)(fallen).per_pair).mean().item()

    assert penalty(1.0) < penalty(0.7) < penalty(0.6) < penalty(0.5)
    assert penalty(0.5) == pytest.approx(penalty(0.3))  # no trust left to lose


def test_the_guard_does_not_know_the_labels():
    """Exchanging chosen and rejected turns the gap and leaves the guard as it is."""
    logps = batch()
    swapped = dataclasses.replace(
        logps,
        chosen=logps.rejected,
        rejected=logps.chosen,
        chosen_length=logps.rejected_length,
        rejected_length=logps.chosen_length,
        reference_chosen=logps.reference_rejected,
        reference_rejected=logps.reference_chosen,
    )

    def guard(pairs):
        guarded = losses.create("gammapo", trust=0.3)(pairs).per_pair
        return guarded - losses.create("gammapo", **PLAIN)(pairs).per_pair

    assert torch.allclose(guard(logps), guard(swapped))
    assert guard(logps).abs().max() > 0


def test_scores_turn_a_pair_that_they_contradict():
    """Scores that agree with 9 labels in 10, by large gaps: the tenth pair is pulled the other way."""
    logps = agreeing(0.5)
    right = torch.arange(400) % 10 > 0
    score = torch.where(right, 3.0, -3.0).double()
    out = losses.create("gammapo", score_slope=None)(
        dataclasses.replace(logps, chosen_score=score, rejected_score=torch.zeros_like(score))
    )
    assert (out.clarity[right] > 0.9).all()
    assert (out.clarity[~right] < 0.5).all()
    assert (out.weights[right] > 0).all()
    assert (out.weights[~right] < 0).all()
    assert torch.equal(out.state["window"], torch.where(right, out.reward_gaps, -out.reward_gaps).float())


def test_the_margin_is_whole_for_a_clear_label_and_none_for_a_doubtful_one():
    logps = batch(scores=True)
    out = losses.create("gammapo", guard=0.0)(logps)
    assert torch.allclose(out.target_margins, 2.5 * (2 * out.clarity - 1).abs())
    assert out.target_margins.min() < 2 < out.target_margins.max()
    same = losses.create("gammapo", guard=0.0, clear_margins=False)(logps)
    assert (same.target_margins == 2.5).all()
    c, r = out.clarity, out.reward_gaps
    loss = c * torch.nn.functional.softplus(out.target_margins - r)
    loss += (1 - c) * torch.nn.functional.softplus(out.target_margins + r)
    assert torch.allclose(out.per_pair, loss)


def test_by_an_estimated_slope_scores_that_say_nothing_of_labels_turn_no_pair():
    logps = batch(size=400, scores=True)
    clarity = losses.create("gammapo", score_slope=None)(logps).clarity
    assert (clarity > 0.5).all()


def test_by_default_a_large_score_gap_outweighs_a_label_and_a_small_one_does_not():
    """A gap of mean size adds 2 to the log-odds, whatever labels say: flips of clear pairs are met."""
    logps = batch(size=300)
    gaps = torch.where(
        torch.arange(300) % 3 == 0, -3.0, 0.3
    ).double()  # the large ones contradict their labels
    clarity = losses.create("gammapo")(
        dataclasses.replace(logps, chosen_score=gaps, rejected_score=torch.zeros_like(gaps))
    ).clarity
    assert (clarity[gaps < 0] < 0.1).all()
    assert (clarity[gaps > 0] > 0.5).all()


def test_a_given_slope_of_scores_is_taken_as_given():
    """An ordinary score gap adds `score_slope` to the log-odds."""
    logps = batch(size=40)
    zero = torch.zeros_like(logps.chosen)

    def odds(gap):
        scored = dataclasses.replace(logps, chosen_score=zero + gap, rejected_score=zero)
        return torch.logit(losses.create("gammapo", score_slope=2.0)(scored).clarity)

    assert torch.allclose(
        odds(1.0), odds(5.0), atol=1e-3
    )  # what is ordinary is told by the scores themselves
    assert (odds(1.0) > 2.0).all()


def test_a_pair_without_a_score_is_judged_by_the_rate_of_flips_alone():
    logps = batch(size=64, scores=True)
    missing = logps.chosen_score.clone()
    missing[2] = math.nan
    out = losses.create("gammapo")(dataclasses.replace(logps, chosen_score=missing))
    assert torch.isfinite(out.per_pair).all()
    assert out.clarity[2] > 0.5
    assert len(out.state["scores"]) == 63


def test_window_is_fed_only_while_pairs_are_new():
    loss = losses.create("gammapo", fresh_steps=2)
    state, sizes = loss.initial_state(), []
    for _ in range(4):
        state = loss(batch(), state).state
        sizes.append(len(state["window"]))
    assert sizes == [8, 16, 16, 16]


def test_state_does_not_depend_on_evaluation():
    loss = losses.create("gammapo")
    state = loss(batch()).state
    kept = {name: value.clone() for name, value in state.items()}
    loss(batch(seed=1), state)
    assert all(torch.equal(state[name], value) for name, value in kept.items())


def test_what_it_can_use_follows_the_options():
    assert losses.create("gammapo").uses == {"scores"}
    assert losses.create("gammapo", use_scores=False).uses == frozenset()
    assert losses.create("gammapo", use_scores=False)(batch(scores=True)).clarity is None


CHANGES = {
    "beta": 4.0,
    "gamma": 1.0,
    "gamma_beta_ratio": 0.5,
    "per_token": False,
    "clear_margins": False,
    "adapt": 0.5,
    "tau": 1.0,
    "guard": 3.0,
    "allowance": 0.1,
    "full_agreement": 0.9,
    "trust": 0.05,
    "use_scores": False,
    "score_slope": 0.5,
    "prior_noise": 0.01,
    "window": 16,
    "fresh_steps": 20,
}


def test_no_option_is_left_out_of_the_next_test():
    names = {item.name for item in dataclasses.fields(losses.create("gammapo").options)}
    assert names == set(CHANGES)


@pytest.mark.parametrize("option", CHANGES)
def test_every_option_has_an_effect(option):
    needed = {"adapt": 1.0} if option == "tau" else {}
    plain = losses.create("gammapo", **needed)
    other = losses.create("gammapo", **needed, **{option: CHANGES[option]})
    logps = batch(400, scores=True)
    rising = torch.linspace(-5, 3, 400).double()  # labels that the model mostly agrees with
    logps = dataclasses.replace(
        logps, chosen=logps.reference_chosen + rising - 8, rejected=logps.reference_rejected - 8
    )
    state = dict(plain(logps).state)
    state["step"] = torch.tensor(500)
    ours, theirs = (loss(logps, state) for loss in (plain, other))
    same_window = torch.equal(ours.state["window"], theirs.state["window"])
    assert not (same_window and torch.allclose(ours.per_pair, theirs.per_pair, rtol=1e-9))


def test_weights_are_the_pull_on_the_gap_when_the_guard_is_off():
    logps = batch(scores=True)
    logps.chosen.requires_grad_()
    out = losses.create("gammapo", guard=0.0)(logps)
    out.per_pair.sum().backward()
    assert torch.allclose(logps.chosen.grad, -0.5 * out.weights)  # β/|y| = 2.5/5


@pytest.mark.parametrize(
    ("switch", "idle"),
    [
        ({"use_scores": False}, {"clear_margins": False}),
        ({"guard": 0.0}, {"allowance": 0.1}),
        ({"trust": 0.5}, {"full_agreement": 0.9}),
        ({"use_scores": False}, {"score_slope": 1.0}),
        ({"use_scores": False}, {"prior_noise": 0.1}),
    ],
)
def test_an_option_that_another_switches_off_is_an_error(switch, idle):
    losses.create("gammapo", **switch)
    losses.create("gammapo", **idle)
    with pytest.raises(InputError, match="has no effect"):
        losses.create("gammapo", **switch, **idle)


def test_the_pull_of_margins_needs_margins_of_their_own():
    with pytest.raises(InputError, match="adapt is 0"):
        losses.create("gammapo", tau=1.0)


@pytest.mark.parametrize(
    ("option", "value"),
    [("adapt", 1.5), ("guard", -1.0), ("full_agreement", 0.0), ("trust", 2.0), ("window", 0)],
)
def test_options_outside_their_range_are_named(option, value):
    with pytest.raises(InputError, match=option):
        losses.create("gammapo", **{option: value})
