"""The real model, a few pairs and prompts: minutes become seconds, the path is the grid's own."""

import numpy as np
import pytest
import torch

from gammapo.benchmark.bench import bench
from gammapo.benchmark.grid import parse_grid
from gammapo.benchmark.worlds.smollm2 import SmolLM2World
from gammapo.errors import InputError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def world(smollm2):  # skips where the model is not installed
    del smollm2
    return SmolLM2World(measured=12, followed=2, max_new_tokens=24, held_out=16)


def test_pairs_of_a_seed_are_told_from_those_held_out(world):
    pairs, held_out = world.pairs(600, seed=1), world.held_out_pairs(seed=1)
    assert {pair.id for pair in pairs}.isdisjoint(pair.id for pair in held_out)
    assert pairs[:10] == world.pairs(10, seed=1) != world.pairs(10, seed=2)
    assert all(pair.chosen_score > pair.rejected_score for pair in held_out)
    with pytest.raises(InputError, match="are held out"):
        world.pairs(680, seed=1)


def test_an_untrained_policy_is_the_base(world):
    policy = world.base()
    read = world.encode(world.pairs(3, seed=0))
    with torch.no_grad():
        fresh = world.logps(policy, read)
    assert fresh.chosen.tolist() == pytest.approx([pair.reference_chosen for pair in read], abs=1e-3)
    measured = world.measure(policy, seed=0)
    assert np.abs(measured.log_ratio).max() < 1e-3
    assert len(measured.gold) == 12
    assert ((measured.gold >= 0) & (measured.gold <= 1)).all()
    trained = [name for name, weight in policy.named_parameters() if weight.requires_grad]
    assert trained
    assert all("lora" in name for name in trained)


def test_in_bfloat16_an_untrained_policy_is_the_base_and_a_changed_one_is_seen(smollm2):
    """Autocast's cache would show an adapter as it was at its first reading."""
    del smollm2
    world = SmolLM2World(measured=12, followed=2, max_new_tokens=24, held_out=16, dtype="bfloat16")
    policy = world.base()
    read = world.encode(world.pairs(3, seed=0))
    reference = [pair.reference_chosen for pair in read]
    world.logps(policy, read).chosen.sum().backward()
    # read in other company, and rounded otherwise: in bfloat16 either is some tenths of a nat from float32
    assert world.logps(policy, read).chosen.tolist() == pytest.approx(reference, rel=2e-2)
    with torch.no_grad():
        for weight in policy.parameters():
            if weight.requires_grad:
                assert weight.dtype == torch.float32
                weight += 0.01 * weight.grad.sign()
    changed = world.logps(policy, read).chosen.detach()
    assert (changed - torch.tensor(reference)).min() > 1
    assert world.measure(policy, seed=0).gold.max() <= 1
    with pytest.raises(InputError, match="float32, bfloat16"):
        SmolLM2World(dtype="int8")


def test_external_scores_are_gold_with_an_error_of_their_own(world):
    pairs = world.pairs(200, seed=0)
    scored = world.external_scores(pairs, seed=0)
    errors = [one.chosen_score - pair.chosen_score for one, pair in zip(scored, pairs, strict=True)]
    assert np.std(errors) == pytest.approx(0.1, rel=0.2)
    assert scored == world.external_scores(pairs, seed=0)


def test_a_run_of_the_grid(world, tmp_path):
    options = {"measured": 12, "followed": 2, "max_new_tokens": 24, "held_out": 16}
    grid = {
        "worlds": [{"name": "smollm2", **options}],
        "losses": {"gammapo": {}},
        "seeds": 1,
        "training": {"pairs": 8, "pairs_per_step": 4, "learning_rate": 1e-4},
        "workers": 1,
    }
    (row,) = bench(parse_grid(grid), tmp_path / "out").rows
    assert row["steps"] == 2
    assert 0 <= row["gold_reward"] <= 1
    assert 0 < row["held_out_accuracy"] < 1
    assert row["kl"] is not None
