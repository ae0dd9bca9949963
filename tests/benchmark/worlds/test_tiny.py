"""The base is made once for all tests (some 12 s on a free core) and kept in the user's cache."""

import numpy as np
import pytest
import torch

from gammapo.benchmark.bench import bench
from gammapo.benchmark.grid import parse_grid
from gammapo.benchmark.worlds import tiny_policy
from gammapo.benchmark.worlds import tiny_task as task
from gammapo.benchmark.worlds.tiny import TinyWorld, _numbers
from gammapo.errors import InputError

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.6])
def test_the_base_predicts_gold_as_far_as_asked_and_leaves_headroom(correlation):
    facts = TinyWorld(correlation=correlation).describe()
    assert facts["correlation_measured"] == pytest.approx(correlation, abs=0.06)
    assert 0.4 < facts["base_gold"] < 0.65
    assert 0.45e6 < facts["parameters"] < 2e6


def test_pairs_are_on_policy_and_the_same_for_the_same_seed():
    world = TinyWorld()
    pairs = world.pairs(200, seed=7)
    assert pairs == world.pairs(200, seed=7)
    assert len({pair.id for pair in pairs}) == 200
    lengths = {len(pair.chosen) for pair in pairs}
    assert len(lengths) > 2
    for pair in pairs[:20]:
        assert pair.chosen_score == world.gold([pair.prompt], [pair.chosen])[0]
    held = {prompt[0].content for prompt in world.prompts(5000, seed=0)}
    assert held.isdisjoint(_numbers(5000, 0, held_out=True))


def test_held_out_pairs_are_over_held_out_prompts_with_the_better_answer_chosen():
    world = TinyWorld(held_out=100)
    pairs = world.held_out_pairs(seed=7)
    assert 50 < len(pairs) <= 100
    assert all(pair.chosen_score > pair.rejected_score for pair in pairs)
    trained = {prompt[0].content for prompt in world.prompts(80_000, seed=7)}
    assert trained.isdisjoint(pair.prompt[0].content for pair in pairs)


def test_the_base_measured_against_itself_has_no_divergence():
    """Log-probs met while sampling (with a cache) must be those of reading the answer whole."""
    world = TinyWorld(measured=256)
    measured = world.measure(world.base(), seed=0)
    assert np.abs(measured.log_ratio).max() < 1e-3
    assert measured.gold.mean() == pytest.approx(world.describe()["base_gold"], abs=0.05)


def test_sampling_draws_from_the_policy():
    """Over 2,000 prompts every first token must be drawn as often as the model says: a share near 0.05 has
    a standard error of 0.005."""
    model = TinyWorld().base()
    numbers = [f"{number:05d}" for number in range(0, 100_000, 50)]
    uniforms = np.random.default_rng(0).random((len(numbers), task.ANSWER_TOKENS))
    answers, lengths, _ = tiny_policy.sample(model, numbers, uniforms)
    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([task.prompt_ids(number) for number in numbers])).logits[:, -1]
    likely = torch.softmax(logits, -1).mean(0).numpy()
    first = np.bincount([task.answer_ids(answer)[0] for answer in answers], minlength=task.VOCABULARY)
    assert first / len(numbers) == pytest.approx(likely, abs=0.02)
    assert likely[task.FIRST :].max() < 0.1, "no token may dominate, or the test says little"
    assert lengths.max() <= task.ANSWER_TOKENS


def test_a_correlation_out_of_reach_is_refused():
    with pytest.raises(InputError, match="at most"):
        _ = TinyWorld(correlation=0.95).weight


def test_simpo_falls_below_itself_under_flips(tmp_path):
    """The gap between clean labels and 40 % flips is more than four of its standard errors."""
    grid = {
        "worlds": [{"name": "tiny", "correlation": 0.3, "as": "tiny"}],
        "losses": {"simpo": {}},
        "noise": [{"kind": "symmetric", "rates": [0.4]}],
        "seeds": 3,
        "training": {"pairs": 3000, "learning_rate": 3e-4},
        "workers": 1,
    }
    result = bench(parse_grid(grid), tmp_path / "out")
    clean = {row["seed"]: row["gold_reward"] for row in result.rows if not row["rate"]}
    noisy = {row["seed"]: row["gold_reward"] for row in result.rows if row["rate"]}
    gaps = np.array([clean[seed] - noisy[seed] for seed in clean])
    assert gaps.mean() > 4 * gaps.std(ddof=1) / np.sqrt(len(gaps))
    assert gaps.mean() > 0.05
