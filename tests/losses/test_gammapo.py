"""gammapo: its limits exactly, each of its parts by hand, and what moves its strength."""

import dataclasses
import math

import pytest
import torch

from gammapo import losses, margins
from gammapo.errors import InputError
from gammapo.types import PairLogps

NOW = {"warmup": 0.0, "ramp": 0.0}
OFF = {"q_max": 0.0, "adapt": 0.0, "trust": 0.0, "guard": 0.0, **NOW}


def batch(size=8, seed=0, reference=True, scores=False) -> PairLogps:
    draw = torch.Generator().manual_seed(seed)

    def values(low, high):
        return low + (high - low) * torch.rand(size, generator=draw, dtype=torch.float64)

    length = torch.full((size,), 5.0, dtype=torch.float64)
    return PairLogps(
        chosen=values(-20, -5),
        rejected=values(-20, -5),
        chosen_length=length,
        rejected_length=length,
        reference_chosen=values(-14, -6) if reference else None,
        reference_rejected=values(-14, -6) if reference else None,
        chosen_score=values(0, 4) if scores else None,
        rejected_score=values(0, 4) if scores else None,
    )


def simpo(logps):
    return losses.create("simpo", beta=10, gamma_beta_ratio=0.3)(logps).per_pair


@pytest.mark.parametrize("reference", [True, False])
@pytest.mark.parametrize("scores", [True, False])
def test_all_parts_off_is_simpo_exactly(reference, scores):
    logps = batch(reference=reference, scores=scores)
    assert torch.equal(losses.create("gammapo", noise=0.3, **OFF)(logps).per_pair, simpo(logps))


def test_no_noise_is_simpo_exactly():
    logps = batch(scores=True)
    assert torch.equal(losses.create("gammapo", noise=0.0, **NOW)(logps).per_pair, simpo(logps))


def test_warm_up_is_simpo_exactly_and_protection_then_rises():
    logps = batch()
    loss = losses.create("gammapo", noise=0.3, warmup=0.2, ramp=0.2).planned(10)
    state, distance = loss.initial_state(), []
    for _ in range(6):
        out = loss(logps, state)
        distance.append((out.per_pair - simpo(logps)).abs().max().item())
        state = out.state
    assert distance[:3] == [0, 0, 0]
    assert 0 < distance[3] < distance[4]


def test_only_adaptive_margins_at_full_strength_is_gamma_simpo():
    logps = batch()
    ours = losses.create("gammapo", noise=0.3, full_noise=0.3, **{**OFF, "adapt": 1.0})(logps)
    theirs = losses.create("gamma_simpo", beta=10, gamma_beta_ratio=0.3, tau=3.0)(logps)
    assert torch.allclose(ours.per_pair, theirs.per_pair)


def test_only_boundedness_by_hand():
    """s = 0.15/0.3 = ½, so q = ½·0.8 = 0.4 and L = (1 − σ(z)^0.4)/0.4."""
    logps = batch()
    out = losses.create("gammapo", noise=0.15, **{**OFF, "q_max": 0.8, "calibrate": False})(logps)
    u = torch.sigmoid(out.reward_gaps - 3.0)
    assert torch.allclose(out.per_pair, (1 - u**0.4) / 0.4, rtol=1e-6)
    assert torch.allclose(out.weights, u**0.4 * (1 - u), rtol=1e-6)


def test_boundedness_follows_what_gaps_tell_of_labels():
    """Gaps that agree with one label in two tell nothing: contradicted pairs go on being heard."""

    def weight_of_the_most_contradicted(sign):
        gaps = torch.linspace(0.1, 3, 200, dtype=torch.float64) * sign
        length = torch.full((200,), 4.0, dtype=torch.float64)
        logps = PairLogps(
            chosen=-40 + 0.4 * gaps * 4,
            rejected=torch.full_like(gaps, -40.0),
            chosen_length=length,
            rejected_length=length,
        )
        out = losses.create("gammapo", noise=0.3, **{**OFF, "q_max": 0.7})(logps)
        return out.weights[out.reward_gaps.argmin()].item()

    half = torch.ones(200, dtype=torch.float64)
    half[::2] = -1
    tenth = torch.ones(200, dtype=torch.float64)
    tenth[::10] = -1
    assert weight_of_the_most_contradicted(half) > 0.5
    assert weight_of_the_most_contradicted(tenth) < 0.2


def test_only_the_guard_by_hand():
    """SimPO plus s·guard·max(0, d − slack)², at s = 1 and s = ½."""
    logps = batch()
    d = ((logps.reference_chosen - logps.chosen) + (logps.reference_rejected - logps.rejected)) / 10
    g = (d - 0.25).clamp(min=0) ** 2
    assert (g > 0).any()
    for noise, s in ((0.3, 1.0), (0.15, 0.5)):
        out = losses.create("gammapo", noise=noise, **{**OFF, "guard": 2.0})(logps)
        assert torch.allclose(out.per_pair, simpo(logps) + 2 * s * g, rtol=1e-6)


def test_anchor_1_alone_is_anchored_simpo():
    logps = batch()
    ours = losses.create("gammapo", **{**OFF, "anchor": 1.0})(logps)
    theirs = losses.create("anchored_simpo", beta=10, gamma_beta_ratio=0.3)(logps)
    assert torch.allclose(ours.per_pair, theirs.per_pair)


def test_trust_plays_down_pairs_more_likely_wrong_than_right():
    """ω = min(1, 2c) at full strength: 1 where c ≥ ½."""
    logps = batch(scores=True)
    out = losses.create("gammapo", noise=0.3, **{**OFF, "trust": 1.0})(logps)
    share = out.per_pair / simpo(logps)
    assert torch.allclose(share, (2 * out.clarity).clamp(max=1), rtol=1e-6)
    assert (share < 0.9).any()
    assert (share == 1).any()


def test_scores_move_clarity_in_their_direction():
    logps = batch(reference=False)
    zero = torch.zeros_like(logps.chosen)
    options = {"noise": 0.2, **NOW}
    plain = losses.create("gammapo", **options)(logps)
    agree = losses.create("gammapo", **options)(
        dataclasses.replace(logps, chosen_score=zero + 1, rejected_score=zero)
    )
    contradict = losses.create("gammapo", **options)(
        dataclasses.replace(logps, chosen_score=zero, rejected_score=zero + 1)
    )
    assert (contradict.clarity < plain.clarity).all()
    assert (plain.clarity < agree.clarity).all()
    odds = torch.logit(agree.clarity) - torch.logit(plain.clarity)
    assert torch.allclose(odds, torch.full_like(odds, 2.0), atol=1e-3)  # an ordinary gap adds score_slope


def test_a_pair_without_a_score_is_judged_without():
    logps = batch(scores=True)
    missing = logps.chosen_score.clone()
    missing[2] = math.nan
    out = losses.create("gammapo", noise=0.2, **NOW)(dataclasses.replace(logps, chosen_score=missing))
    bare = losses.create("gammapo", noise=0.2, **NOW)(
        dataclasses.replace(logps, chosen_score=None, rejected_score=None)
    )
    assert torch.isfinite(out.per_pair).all()
    assert out.clarity[2].item() == pytest.approx(bare.clarity[2].item(), abs=1e-6)
    assert out.state["score_count"].item() == 7


def test_strength_follows_the_estimated_noise():
    """Large gaps that contradict one label in 4 call for more protection than one in 400."""

    def strength(wrong):
        gaps = torch.linspace(0.05, 2, 400, dtype=torch.float64)
        gaps[::wrong] *= -1
        length = torch.full((400,), 4.0, dtype=torch.float64)
        logps = PairLogps(
            chosen=-8 + 4 * gaps,
            rejected=torch.full_like(gaps, -8.0),
            chosen_length=length,
            rejected_length=length,
        )
        out = losses.create("gammapo", **NOW)(logps)
        exact = margins.kl_optimal(out.reward_gaps, 3.0, 3.0)
        return ((out.target_margins - 3).abs().max() / (exact - 3).abs().max()).item()  # this is s

    assert strength(wrong=400) < 0.1
    assert strength(wrong=4) > 0.6


def test_window_is_fed_only_while_pairs_are_new():
    loss = losses.create("gammapo", fresh=0.5).planned(4)
    state, sizes = loss.initial_state(), []
    for _ in range(4):
        state = loss(batch(), state).state
        sizes.append(len(state["window"]))
    assert sizes == [8, 16, 16, 16]


def test_gaps_that_are_no_longer_new_do_not_move_the_estimate():
    """In the second pass, the same pair in another company is believed as before."""
    loss = losses.create("gammapo", fresh=0.5, **NOW).planned(2)
    state = loss(batch(size=60), None).state
    first, second = batch(8, seed=1), batch(8, seed=2)
    swapped = PairLogps(
        **{
            k: None if v is None else torch.cat([getattr(first, k)[:1], v[1:]])
            for k, v in vars(second).items()
        }
    )
    assert loss(first, state).clarity[0].item() == loss(swapped, state).clarity[0].item()
    assert loss(first).clarity[0].item() != loss(swapped).clarity[0].item()


def test_state_does_not_depend_on_evaluation():
    loss = losses.create("gammapo")
    state = loss(batch()).state
    kept = {name: value.clone() for name, value in state.items()}
    loss(batch(seed=1), state)
    assert all(torch.equal(state[name], value) for name, value in kept.items())


def test_reference_is_optional_unless_asked_for():
    logps = batch(reference=False)
    assert torch.isfinite(losses.create("gammapo", noise=0.3, **NOW)(logps).loss)
    for option in ({"guard": 1.0}, {"anchor": 0.5}):
        with pytest.raises(InputError, match="without reference log-probs"):
            losses.create("gammapo", **option)(logps)


def test_what_it_can_use_follows_the_options():
    assert losses.create("gammapo").uses == {"reference", "scores"}
    assert losses.create("gammapo", guard=0.0).uses == {"scores"}
    assert losses.create("gammapo", guard=0.0, anchor=0.5).uses == {"reference", "scores"}
    assert losses.create("gammapo", trust=0.0).uses == {"reference"}
    assert losses.create("gammapo", score_slope=0.0).uses == {"reference"}


CHANGES = {
    "beta": 4.0,
    "gamma": 1.0,
    "gamma_beta_ratio": 0.5,
    "q_max": 0.2,
    "calibrate": False,
    "adapt": 0.5,
    "tau": 1.0,
    "trust": 0.3,
    "score_slope": 0.5,
    "guard": 3.0,
    "guard_slack": 0.0,
    "anchor": 0.5,
    "noise": 0.05,
    "prior_noise": 0.05,
    "full_noise": 0.45,
    "window": 16,
    "fresh": 0.2,
    "warmup": 0.6,
    "ramp": 0.9,
    "total_steps": 10000,
}


def test_no_option_is_left_out_of_the_next_test():
    names = {item.name for item in dataclasses.fields(losses.create("gammapo").options)}
    assert names == set(CHANGES)


@pytest.mark.parametrize("option", CHANGES)
def test_every_option_has_an_effect(option):
    plain, other = losses.create("gammapo"), losses.create("gammapo", **{option: CHANGES[option]})
    state = dict(plain.initial_state())
    for seed in range(1, 6):
        state = dict(plain(batch(seed=seed, scores=True), state).state)
    state["step"] = torch.tensor(500)
    ours, theirs = (loss(batch(40, scores=True), state) for loss in (plain, other))
    same_window = torch.equal(ours.state["window"], theirs.state["window"])
    assert not (same_window and torch.allclose(ours.per_pair, theirs.per_pair, rtol=1e-9))


def test_weights_are_the_pull_on_the_gap_when_the_guard_rests():
    logps = batch(reference=False, scores=True)
    logps.chosen.requires_grad_()
    out = losses.create("gammapo", noise=0.2, **NOW)(logps)
    out.per_pair.sum().backward()
    assert torch.allclose(logps.chosen.grad, -2 * out.weights)  # β/|y| = 10/5


def test_a_contradicted_pair_pulls_less_than_in_simpo():
    gaps = torch.tensor([-2.0, -0.5, 0.0, 0.5, 2.0], dtype=torch.float64)
    length = torch.full((5,), 4.0, dtype=torch.float64)
    logps = PairLogps(
        chosen=-10 + 4 * gaps,
        rejected=torch.full_like(gaps, -10),
        chosen_length=length,
        rejected_length=length,
    )
    out = losses.create("gammapo", noise=0.3, **NOW)(logps)
    assert out.weights[0] < out.weights[2]
    assert out.weights[0] < 1e-3


@pytest.mark.parametrize(
    ("switch", "idle"),
    [
        ({"q_max": 0.0}, {"calibrate": False}),
        ({"adapt": 0.0}, {"tau": 1.0}),
        ({"trust": 0.0}, {"score_slope": 1.0}),
        ({"guard": 0.0}, {"guard_slack": 0.0}),
        ({"noise": 0.2}, {"prior_noise": 0.1}),
    ],
)
def test_an_option_that_another_switches_off_is_an_error(switch, idle):
    losses.create("gammapo", **switch)
    losses.create("gammapo", **idle)
    with pytest.raises(InputError, match="has no effect"):
        losses.create("gammapo", **switch, **idle)


def test_options_outside_their_range_are_named():
    for option, value in (
        ("noise", 0.5),
        ("q_max", 1.5),
        ("full_noise", 0.0),
        ("guard", -1.0),
        ("tau", 0.01),
    ):
        with pytest.raises(InputError, match=option):
            losses.create("gammapo", **{option: value})
