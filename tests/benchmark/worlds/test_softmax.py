import numpy as np
import pytest
import torch

from gammapo.benchmark.worlds.softmax import SoftmaxWorld, Table
from gammapo.errors import InputError


def test_the_regularised_optimum_beats_every_other_policy_on_its_own_objective():
    world, tau = SoftmaxWorld(contexts=4), 0.2

    def objective(logps):
        kl = (logps.exp() * (logps - world.table_base)).sum(-1).mean()
        return world.value(logps) - tau * float(kl)

    best = world.regularised(tau)
    generator = torch.Generator().manual_seed(0)
    for size in (0.01, 0.1, 1.0):
        for _ in range(20):
            moved = best + size * torch.randn(best.shape, generator=generator, dtype=best.dtype)
            assert objective(torch.log_softmax(moved, -1)) < objective(best)
    assert world.value(world.regularised(1e-4)) == pytest.approx(world.optimum(), abs=1e-3)
    assert world.value(world.regularised(1e6)) == pytest.approx(world.value(world.table_base), abs=1e-5)


def test_measured_gold_is_the_exact_expectation():
    world = SoftmaxWorld(contexts=3, answers=2)
    logits = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]], dtype=torch.float64)
    chance = np.exp(logits.numpy()) / np.exp(logits.numpy()).sum(-1, keepdims=True)
    measured = world.measure(Table(logits), seed=0)
    assert measured.gold == pytest.approx((chance * world.table_gold).sum(-1))
    assert (measured.log_ratio >= 0).all()  # a KL divergence in every context


@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.6])
def test_the_base_predicts_gold_as_far_as_asked(correlation):
    """Ranks of n = 8 normal answers correlate less than they: 6/(π(n+1))·(asin ρ + (n−2)·asin ρ/2) on average
    (Moran 1948), which is 0.256 for 0.3 and 0.524 for 0.6."""
    world = SoftmaxWorld(contexts=400, correlation=correlation)
    expected = 6 / (9 * np.pi) * (np.arcsin(correlation) + 6 * np.arcsin(correlation / 2))
    assert world.describe()["correlation_measured"] == pytest.approx(expected, abs=0.05)


def test_labels_follow_bradley_terry():
    """A pair of gap g is labelled for the better answer with probability σ(6g): mean against expectation."""
    world = SoftmaxWorld()
    pairs = world.pairs(4000, seed=1)
    gaps = np.array([pair.chosen_score - pair.rejected_score for pair in pairs])
    expected = (1 / (1 + np.exp(-6 * np.abs(gaps)))).mean()
    assert (gaps > 0).mean() == pytest.approx(expected, abs=0.02)
    assert pairs == world.pairs(4000, seed=1)
    assert len({pair.id for pair in pairs}) == 4000


def test_impossible_tables_are_refused():
    with pytest.raises(InputError, match="correlation"):
        SoftmaxWorld(correlation=1.5)


def test_held_out_pairs_are_another_draw_with_the_better_answer_chosen():
    world = SoftmaxWorld(held_out=300)
    pairs = world.held_out_pairs(seed=3)
    assert len(pairs) == 300
    assert all(pair.chosen_score > pair.rejected_score for pair in pairs)
    drawn = [pair.id for pair in world.pairs(300, seed=3)]
    assert [pair.id for pair in pairs] != drawn
