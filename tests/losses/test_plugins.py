"""A user's own loss and margin, from a module outside the package."""

import textwrap

import pytest

from gammapo import losses, margins
from gammapo.errors import InputError

MODULE = """
from dataclasses import dataclass

from gammapo.losses import LossSpec, option
from gammapo.losses.parts import log_ratios, result
from gammapo.margins import MarginSpec


@dataclass(frozen=True, kw_only=True)
class CubeOptions:
    beta: float = option(0.1, "scale of the reward")


def cube(logps, options):
    chosen, rejected = log_ratios(logps)
    z = options.beta * (chosen - rejected)
    return result((1 - z) ** 3, (options.beta * chosen, options.beta * rejected))


CUBE = LossSpec(
    name="cube", family="mine", formula="(1 − βΔ)³", source="nobody", options=CubeOptions, function=cube,
    needs=frozenset({"reference"}),
)


@dataclass(frozen=True, kw_only=True)
class HalfOptions:
    share: float = option(0.5, "of the gap")


HALF = MarginSpec(
    name="half", formula="γ_i = share · r_i", source="nobody", options=HalfOptions,
    function=lambda gaps, options: options.share * gaps.reward,
)
NEITHER = 3
"""


@pytest.fixture
def outside(tmp_path, monkeypatch):
    (tmp_path / "my_objectives.py").write_text(textwrap.dedent(MODULE))
    monkeypatch.syspath_prepend(str(tmp_path))


def test_a_loss_from_outside(outside, pairs):
    """βΔ = 2 at β = 0.2: (1 − 2)³ = −1."""
    loss = losses.create("my_objectives:CUBE", beta=0.2)
    assert loss(pairs()).loss.item() == pytest.approx(-1)
    assert loss.objective == "cube: (1 − βΔ)³; beta = 0.2"


def test_its_options_and_needs_are_checked_like_any_others(outside, pairs):
    import dataclasses

    with pytest.raises(InputError, match="expected 'beta'"):
        losses.create("my_objectives:CUBE", betta=0.2)
    with pytest.raises(InputError, match="'cube' needs reference_chosen"):
        losses.create("my_objectives:CUBE")(dataclasses.replace(pairs(), reference_chosen=None))


def test_a_margin_from_outside(outside, pairs):
    """r = 2·(−8 + 6.5) = −3; the margin is a quarter of it."""
    loss = losses.create("margin_simpo", beta=2, margin="my_objectives:HALF", margin_options={"share": 0.25})
    assert loss(pairs()).target_margins.item() == pytest.approx(-0.75)
    assert margins.create("my_objectives:HALF").spec.name == "half"


def test_what_is_not_a_spec_is_named(outside):
    with pytest.raises(InputError, match="is a int; expected a gammapo.losses.LossSpec"):
        losses.create("my_objectives:NEITHER")
    with pytest.raises(InputError, match="is a LossSpec; expected a gammapo.margins.MarginSpec"):
        margins.create("my_objectives:CUBE")
    with pytest.raises(InputError, match="cannot load 'my_objectives:MISSING'"):
        losses.create("my_objectives:MISSING")
    with pytest.raises(InputError, match="cannot load 'no_such_module:LOSS'"):
        losses.create("no_such_module:LOSS")


def test_a_loss_by_entry_point(outside, pairs, monkeypatch):
    """As an installed package would offer it, in the group gammapo.loss."""
    from importlib.metadata import EntryPoint

    from gammapo import registry

    point = EntryPoint(name="cubed", value="my_objectives:CUBE", group="gammapo.loss")
    monkeypatch.setattr(registry, "entry_points", lambda group: [point] if group == "gammapo.loss" else [])
    assert "cubed" in losses.names()
    assert losses.create("cubed", beta=0.2)(pairs()).loss.item() == pytest.approx(-1)
