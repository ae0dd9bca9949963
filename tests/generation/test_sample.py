"""The drawing of one token, against distributions worked out by hand."""

import pytest
import torch

from gammapo.generation import sample

PROBS = torch.tensor([0.5, 0.3, 0.15, 0.05])


def frequencies(logits, draws=20_000, **options):
    uniform = (torch.arange(draws, dtype=torch.float64) + 0.5) / draws
    ids = sample.draw(logits.log().expand(draws, -1), uniform, **options)
    return torch.bincount(ids, minlength=logits.shape[0]) / draws


def test_temperature_one_gives_the_models_distribution():
    assert torch.allclose(frequencies(PROBS, temperature=1.0, top_p=1.0), PROBS, atol=1e-3)


def test_temperature_half_squares_the_probabilities():
    expected = PROBS**2 / (PROBS**2).sum()
    assert torch.allclose(frequencies(PROBS, temperature=0.5, top_p=1.0), expected, atol=1e-3)


@pytest.mark.parametrize(("top_p", "kept"), [(0.4, 1), (0.5, 1), (0.6, 2), (0.81, 3), (0.99, 4)])
def test_nucleus_is_the_fewest_tokens_that_reach_top_p(top_p, kept):
    expected = PROBS.clone()
    expected[kept:] = 0
    shuffled = torch.tensor([2, 0, 3, 1])
    got = frequencies(PROBS[shuffled], temperature=1.0, top_p=top_p)
    assert torch.allclose(got, (expected / expected.sum())[shuffled], atol=1e-3)


def test_a_nucleus_wider_than_the_first_sort_is_still_exact():
    flat = torch.full((4 * sample.FIRST,), 1 / (4 * sample.FIRST))
    got = frequencies(flat, temperature=1.0, top_p=0.75)
    assert int((got > 0).sum()) == 3 * sample.FIRST


def test_temperature_zero_is_the_likeliest_token():
    ids = sample.draw(PROBS.log()[None], torch.tensor([0.999]), temperature=0.0, top_p=1.0)
    assert ids.tolist() == [0]


@pytest.mark.parametrize("temperature", [5e-324, 1e-38, 1e-31, 1e-29])
@pytest.mark.parametrize("top_p", [1.0, 0.5])
def test_a_temperature_near_zero_is_the_likeliest_token(temperature, top_p):
    """Logits over it would be infinite, and their softmax no number."""
    logits = 20 + PROBS.log()[None]
    ids = sample.draw(logits, torch.tensor([0.999]), temperature=temperature, top_p=top_p)
    assert ids.tolist() == [0]


@pytest.mark.parametrize("uniform", [0.0, 1 - 2**-53])
def test_a_token_without_probability_is_never_drawn(uniform):
    logits = torch.tensor([[-torch.inf, 0.0, 0.0, -torch.inf]])
    ids = sample.draw(logits, torch.tensor([uniform], dtype=torch.float64), temperature=1.0, top_p=1.0)
    assert ids.item() in (1, 2)


def test_uniforms_depend_on_seed_prompt_and_number_only():
    base = sample.uniforms(1, [5, 6], 0, 8)
    assert torch.equal(base, sample.uniforms(1, [5, 6], 0, 8))
    for other in (sample.uniforms(2, [5, 6], 0, 8), sample.uniforms(1, [56], 0, 8)):
        assert not torch.equal(base, other)
    assert not torch.equal(base, sample.uniforms(1, [5, 6], 1, 8))
