"""The task's ranges: inside, at the ends, the recommendation below its own range, and outside."""

import pytest

from gammapo.errors import InputError
from gammapo.training import parse_recipe
from gammapo.workspace.limits import check_limits


def recipe(beta=2.5, ratio=0.4, rate=5e-7, name="gamma_simpo", **training):
    return parse_recipe(
        {
            "model": {"path": "m"},
            "data": {"path": "d"},
            "loss": {"name": name, "beta": beta, "gamma_beta_ratio": ratio},
            "training": {"learning_rate": rate, **training},
            "output": "o",
        }
    )


def test_inside_and_at_the_ends_nothing_is_said():
    for settings in ({}, {"beta": 2, "ratio": 0.3, "rate": 1e-7}, {"beta": 10, "ratio": 1.0, "rate": 1e-6}):
        assert check_limits(recipe(**settings)) == []


def test_gamma_pos_own_recipe_is_inside():
    assert check_limits(recipe(beta=10, ratio=0.3, rate=1e-6)) == []


def test_the_recommended_margin_is_accepted_with_a_notice():
    (notice,) = check_limits(recipe(ratio=0.25))
    assert "recommendation" in notice


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"beta": 1.9}, "loss.beta"),
        ({"beta": 10.1}, "loss.beta"),
        ({"ratio": 0.24}, "loss.gamma_beta_ratio"),
        ({"ratio": 0.26}, "loss.gamma_beta_ratio"),
        ({"ratio": 1.1}, "loss.gamma_beta_ratio"),
        ({"rate": 9e-8}, "training.learning_rate"),
        ({"rate": 2e-6}, "training.learning_rate"),
        ({"num_train_epochs": 2}, "training.num_train_epochs"),
        ({"max_steps": 10}, "training.max_steps"),
    ],
)
def test_outside_is_refused_unless_allowed(settings, field):
    with pytest.raises(InputError) as caught:
        check_limits(recipe(**settings))
    assert caught.value.field == field
    (said,) = check_limits(recipe(**settings), allow_out_of_range=True)
    assert field in said


def test_an_absolute_margin_is_held_to_the_same_ratio():
    given = {"name": "gammapo", "beta": 10, "gamma": 1.0}
    content = recipe().model_dump() | {"loss": given}
    with pytest.raises(InputError, match="0.1"):
        check_limits(parse_recipe(content))


def test_ranges_of_rewards_per_token_say_nothing_of_summed_ones():
    content = recipe().model_dump() | {"loss": {"name": "gammapo", "per_token": False, "beta": 0.1}}
    (notice,) = check_limits(parse_recipe(content))
    assert "takes sums" in notice


@pytest.mark.parametrize("loss", ["dpo", "gamma_dpo", "cpo", "length_dpo", "wpo"])
def test_a_loss_without_lengths_takes_sums_too(loss):
    """start.sh --recipe dpo: its β is DPO's. Some need lengths, and for another term."""
    content = recipe().model_dump() | {"loss": {"name": loss, "beta": 0.01}}
    (notice,) = check_limits(parse_recipe(content))
    assert "takes sums" in notice
