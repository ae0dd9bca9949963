import pytest

from gammapo.health import Limits, ends, signs


def run(steps=40, **fields):
    """Rows whose fields go in a straight line from start to end."""
    return [
        {"step": i + 1, **{name: a + (b - a) * i / (steps - 1) for name, (a, b) in fields.items()}}
        for i in range(steps)
    ]


HEALTHY = {
    "reward_gap": (0.0, 1.0),
    "accuracy": (0.5, 0.62),
    "chosen_logp": (-1.4, -1.5),
    "grad_norm": (2.0, 1.0),
}


def names(rows, **options):
    return [sign.name for sign in signs(rows, **options)]


def test_a_healthy_run_is_fine():
    assert names(run(**HEALTHY), noise_rate=0.4) == ["fine"]


@pytest.mark.parametrize(
    ("changed", "noise_rate", "name"),
    [
        ({"chosen_logp": (-1.4, -2.2)}, None, "collapse"),
        ({"accuracy": (0.5, 0.9)}, 0.4, "wrong labels"),
        ({"reward_gap": (0.0, -0.2), "accuracy": (0.5, 0.49)}, None, "idle"),
        ({"sample_length": (100, 200)}, None, "length drift"),
        ({"sample_length": (200, 90)}, None, "length drift"),
        ({"sample_repetition": (0.02, 0.6)}, None, "repetition"),
    ],
)
def test_each_sign_is_noticed(changed, noise_rate, name):
    assert names(run(**{**HEALTHY, **changed}), noise_rate=noise_rate) == [name]


def test_agreement_above_the_clean_share_is_no_sign_without_noise():
    assert names(run(**{**HEALTHY, "accuracy": (0.5, 0.99)})) == ["fine"]


def test_the_depth_of_a_fall_decides_its_level():
    levels = [signs(run(**{**HEALTHY, "chosen_logp": (-1.0, end)}))[0].level for end in (-1.8, -3.0)]
    assert levels == ["warning", "serious"]


def test_spike_and_broken_loss_name_their_step():
    rows = run(**HEALTHY)
    rows[6]["grad_norm"] = 500.0
    rows[9]["loss"] = float("nan")
    found = {sign.name: sign.text for sign in signs(rows)}
    assert "step 7" in found["spike"]
    assert "step 10" in found["not finite"]
    assert [sign.level for sign in signs(rows)] == ["serious", "warning"]


def test_steps_without_a_gradient_are_no_measure_of_a_spike():
    """A hinge loss has none once its pairs are told apart."""
    rows = run(**HEALTHY)
    for row in rows[10:]:
        row["grad_norm"] = 0.0
    assert names(rows) == ["fine"]
    rows[3]["grad_norm"] = 500.0
    assert names(rows) == ["spike"]
    assert names(run(**{**HEALTHY, "grad_norm": (0.0, 0.0)})) == ["fine"]


def test_ends_by_hand():
    rows = [{"x": float(i)} for i in range(20)]
    assert ends(rows, "x", 0.1) == (0.5, 18.5)
    assert ends(rows[:3], "x", 0.1) is None
    assert ends(rows, "absent", 0.1) is None


def test_limits_can_be_set():
    rows = run(**{**HEALTHY, "chosen_logp": (-1.4, -2.2)})
    assert names(rows, limits=None) == ["collapse"]
    assert [s.name for s in signs(rows, limits=Limits(fall=2.0))] == ["fine"]


def test_too_few_steps_say_nothing():
    assert names(run(steps=2, **HEALTHY)) == ["fine"]
