"""PLC-DPO: clean, flipped or tied, by the standing of a pair's margin."""

import math

import pytest

from gammapo import losses

L1, L_1 = math.log1p(math.exp(-1)), math.log1p(math.exp(1))  # ℓ(1), ℓ(−1)


def loss_of(batch, **options):
    return losses.create("plc_dpo", **options)(batch).per_pair.tolist()


NOW = {"warmup": 0, "ramp": 0, "lam": 1, "beta": 0.1}


def test_value_by_hand(both):
    """m = ±1 has mean 0 and variance 1 in the first step, so z = ±1; the even prior cancels."""
    energy = {"clean": 1 / 0.55, "flip": -1 / 0.55, "tie": -1 / 1.15}
    total = sum(math.exp(value) for value in energy.values())
    q = {name: math.exp(value) / total for name, value in energy.items()}
    gate = ((max(q.values()) - 1 / 3) / (2 / 3)) ** 0.8
    routed = q["clean"] * L1 + q["flip"] * L_1 + q["tie"] * L_1  # log(1 + e^|1|) = ℓ(−1)
    assert loss_of(both, **NOW)[0] == pytest.approx((1 - gate) * L1 + gate * routed)


def test_warm_up_is_dpo(both):
    assert loss_of(both, beta=0.1) == pytest.approx([L1, L_1])
    assert loss_of(both, **{**NOW, "lam": 0}) == pytest.approx([L1, L_1])


def test_correction_starts_when_the_warm_up_ends(both):
    loss = losses.create("plc_dpo", beta=0.1, warmup=0.2, ramp=0.0).planned(10)
    state = loss.initial_state()
    changed = []
    for _ in range(4):
        out = loss(both, state)
        changed.append(out.per_pair.tolist() != pytest.approx([L1, L_1]))
        state = out.state
    assert changed == [False, False, True, True]


def test_moments_move_slowly_after_the_first_step(both, pairs):
    """Mean 0 and variance 1, then a step of mean 3 and variance 0: sums of 0.02·3 and 0.98·0.02·1."""
    loss = losses.create("plc_dpo", beta=0.1)
    state = loss(pairs([30.0, 30.0], [0.0, 0.0]), loss(both).state).state
    assert state["mean"].item() == pytest.approx(0.06)
    assert state["variance"].item() == pytest.approx(0.0196)


def test_a_first_step_at_the_reference_does_not_set_the_scale(both, pairs):
    """Steps of variance 0 and 1 have the mean variance 1/1.98 · 1, so the margins ±1 stand at ±√1.98; with
    z so large the flipped one is routed away."""
    loss = losses.create("plc_dpo", **NOW)
    at_reference = loss(pairs([0.0, 0.0], [0.0, 0.0])).state
    z = math.sqrt(1.98)
    energy = {"clean": z / 0.55, "flip": -z / 0.55, "tie": -z / 1.15}
    total = sum(math.exp(value) for value in energy.values())
    clarity = (math.exp(energy["clean"]) + math.exp(energy["tie"]) / 2) / total
    assert loss(both, at_reference).clarity.max().item() == pytest.approx(clarity)


def test_clarity_falls_with_the_margin(pairs):
    out = losses.create("plc_dpo")(pairs([-50.0, 0.0, 50.0], [0.0] * 3))
    assert out.clarity.tolist() == sorted(out.clarity.tolist())
    assert out.clarity[0] < 0.5 < out.clarity[2]
