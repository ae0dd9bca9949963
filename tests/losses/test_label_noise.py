"""The estimate of flips and of trust in gaps, on data drawn from its own model and on data that is not."""

import math

import pytest
import torch

from gammapo.losses.label_noise import LabelNoise, label_clarity, label_noise


def labelled_gaps(rate, slope, size=4000, seed=0):
    """Gaps r towards the given label: the truth follows σ(slope·|gap|), and a share `rate` is flipped."""
    draw = torch.Generator().manual_seed(seed)
    gap = torch.randn(size, generator=draw)
    truth = torch.where(torch.rand(size, generator=draw) < torch.sigmoid(slope * gap), 1.0, -1.0)
    flip = torch.where(torch.rand(size, generator=draw) < rate, -1.0, 1.0)
    return gap * truth * flip


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.2, 0.3])
def test_finds_rate_and_slope_where_gaps_are_informative(rate):
    found = label_noise(labelled_gaps(rate, slope=5.0))
    assert found.rate.item() == pytest.approx(rate, abs=0.04)
    assert found.slope.item() == pytest.approx(5.0, rel=0.35)


def test_uninformative_gaps_are_not_trusted_and_leave_the_prior():
    """Gaps that say nothing of labels: ε stays near the prior's mean, and k near 0."""
    found = label_noise(labelled_gaps(0.0, slope=0.0), prior=0.1)
    assert found.rate.item() == pytest.approx(0.1, abs=0.05)
    assert found.slope.item() < 0.2


def test_the_scale_of_gaps_does_not_matter():
    gaps = labelled_gaps(0.2, slope=5.0)
    one, thousand = label_noise(gaps), label_noise(1000 * gaps)
    assert thousand.rate.item() == pytest.approx(one.rate.item(), abs=1e-4)
    assert thousand.slope.item() == pytest.approx(one.slope.item() / 1000, rel=1e-3)


def test_the_prior_counts_only_where_gaps_say_little():
    silent, telling = labelled_gaps(0.2, slope=0.0, size=500), labelled_gaps(0.2, slope=8.0)
    assert label_noise(silent, prior=0.25).rate > label_noise(silent, prior=0.05).rate + 0.1
    difference = label_noise(telling, prior=0.25).rate - label_noise(telling, prior=0.05).rate
    assert abs(difference.item()) < 0.03


def test_more_flips_are_never_seen_as_fewer():
    rates = [label_noise(labelled_gaps(rate, slope=8.0)).rate.item() for rate in (0.0, 0.1, 0.2, 0.3)]
    assert rates == sorted(rates)


def test_clarity_by_hand():
    """σ(logit 0.8 + 2·r): 0.8 at r = 0; where the gap takes log 4 away it is ½."""
    noise = LabelNoise(rate=torch.tensor(0.2), slope=torch.tensor(2.0))
    zero = torch.zeros(1)
    assert label_clarity(zero, noise).item() == pytest.approx(0.8)
    assert label_clarity(zero - math.log(4) / 2, noise).item() == pytest.approx(0.5)


def test_clarity_is_calibrated():
    """Among labels given a clarity of c, a share c is right (the flips are known here)."""
    draw = torch.Generator().manual_seed(5)
    gap = torch.randn(20000, generator=draw)
    truth = torch.where(torch.rand(20000, generator=draw) < torch.sigmoid(3 * gap), 1.0, -1.0)
    right = torch.rand(20000, generator=draw) >= 0.25
    gaps = gap * truth * torch.where(right, 1.0, -1.0)
    c = label_clarity(gaps, label_noise(gaps[:4000]))
    for low in (0.2, 0.5, 0.8):
        inside = (c >= low) & (c < low + 0.2)
        assert right[inside].float().mean().item() == pytest.approx(c[inside].mean().item(), abs=0.08)


def test_extreme_and_equal_gaps_stay_finite():
    for gaps in (torch.tensor([1e4, -1e4, 0.0]), torch.zeros(3), torch.full((2,), 1e4)):
        found = label_noise(gaps)
        assert torch.isfinite(found.rate)
        assert torch.isfinite(label_clarity(gaps, found)).all()
