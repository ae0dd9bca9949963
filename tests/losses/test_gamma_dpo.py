"""γ-DPO: DPO with margins shifted about their mean."""

import pytest
import torch

from gammapo import losses, margins
from gammapo.types import PairLogps


def pairs(gaps):
    """Pairs whose log-ratio gap Δ is `gaps`, under a reference that gives every answer −20."""
    gaps = torch.tensor(gaps, dtype=torch.float64)
    length, reference = torch.full_like(gaps, 4), torch.full_like(gaps, -20)
    return PairLogps(
        chosen=reference + gaps,
        rejected=reference.clone(),
        chosen_length=length,
        rejected_length=length,
        reference_chosen=reference,
        reference_rejected=reference,
    )


def test_target_is_the_margin_less_its_mean():
    """r = βΔ = (1, −2); γ from kl_optimal about γ₀ = 0.5; z = r − (γ − 0.5)."""
    out = losses.create("gamma_dpo", beta=0.1, gamma=0.5, tau=1.0)(pairs([10.0, -20.0]))
    shift = margins.kl_optimal(torch.tensor([1.0, -2.0], dtype=torch.float64), 0.5, 1.0) - 0.5
    assert out.reward_gaps.tolist() == pytest.approx([1, -2])
    assert out.target_margins.tolist() == pytest.approx(shift.tolist())
    expected = torch.nn.functional.softplus(-(torch.tensor([1.0, -2.0]) - shift))
    assert out.per_pair.tolist() == pytest.approx(expected.tolist())
    assert out.target_margins.sum().item() == pytest.approx(0, abs=1e-9)


def test_zero_margin_is_dpo():
    """γ₀ = 0: ℓ(βΔ) with βΔ = 1 and −2."""
    out = losses.create("gamma_dpo", beta=0.1, gamma=0)(pairs([10.0, -20.0]))
    assert out.per_pair.tolist() == pytest.approx([0.3132616875182228, 2.1269280110429727])
