"""What must hold for every registered margin."""

import dataclasses

import pytest
import torch

from gammapo import margins, registry
from gammapo.errors import InputError

NAMES = list(registry.MARGINS)


def gaps(size=16, window=None):
    draw = torch.Generator().manual_seed(0)
    reward = 3 * torch.randn(size, generator=draw, dtype=torch.float64)
    score = torch.randn(size, generator=draw, dtype=torch.float64)
    return margins.Gaps(reward=reward, score=score, window=window)


@pytest.mark.parametrize("name", NAMES)
def test_shape_type_and_sign(name):
    given = gaps()
    found = margins.create(name)(given)
    assert found.shape == given.reward.shape
    assert found.dtype == given.reward.dtype
    assert not found.requires_grad
    assert (found >= 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_gamma0_0_is_no_margin(name):
    assert margins.create(name, gamma0=0.0)(gaps()).tolist() == [0.0] * 16


@pytest.mark.parametrize("name", NAMES)
def test_order_of_pairs_does_not_matter(name):
    given, order = gaps(), torch.randperm(16, generator=torch.Generator().manual_seed(1))
    mixed = margins.Gaps(reward=given.reward[order], score=given.score[order])
    margin = margins.create(name)
    assert torch.allclose(margin(mixed), margin(given)[order], atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_only_a_coupling_margin_looks_at_other_pairs(name):
    margin, given = margins.create(name), gaps()
    few = margins.Gaps(reward=given.reward[8:], score=given.score[8:])
    same = torch.allclose(margin(few), margin(given)[8:])
    assert same != margin.spec.couples


@pytest.mark.parametrize("name", [name for name in NAMES if registry.resolve("margin", name).couples])
def test_the_window_stands_for_earlier_pairs(name):
    given, margin = gaps(), margins.create(name)
    split = margins.Gaps(reward=given.reward[10:], window=given.reward[:10].float())
    assert torch.allclose(margin(split), margin(given)[10:], atol=1e-5)


@pytest.mark.parametrize(
    ("name", "option"),
    [(n, f.name) for n in NAMES for f in dataclasses.fields(registry.resolve("margin", n).options)],
)
def test_every_option_has_an_effect(name, option):
    """A cap of 0.3 is below some score gaps; any other option is simply halved."""
    default = getattr(margins.create(name).options, option)
    changed = margins.create(name, **{option: 0.3 if option == "cap" else default / 2})
    assert not torch.allclose(changed(gaps()), margins.create(name)(gaps()))


@pytest.mark.parametrize("name", NAMES)
def test_unknown_option_names_the_nearest(name):
    with pytest.raises(InputError, match="'gamma0'"):
        margins.create(name, gamma=1.0)
