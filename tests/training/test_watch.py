import logging

import pytest

from gammapo.training import parse_recipe, train
from gammapo.training.watch import Watch


def said(caplog):
    return [record.message for record in caplog.records if record.name == "gammapo.training.watch"]


def see_all(watch, rows):
    for number, row in enumerate(rows, 1):
        watch.see({"step": number, **row})


def test_a_falling_log_prob_is_said_once_and_again_when_it_grows_serious(caplog):
    see_all(Watch(), [{"chosen_logp": -1.0 - 0.03 * i} for i in range(60)])
    first, second = said(caplog)
    # the means of 5 rows at each end are 0.5 nats apart once 0.5 / 0.03 rows lie between them
    assert first.startswith("step 22: The chosen answers became less likely: their log-prob fell from −1.06")
    assert "nats a token" in second
    assert "**" not in first


def test_noise_between_steps_is_no_fall(caplog):
    see_all(Watch(), [{"chosen_logp": -1.0 - 0.9 * (i % 5 == 0)} for i in range(100)])
    assert said(caplog) == []


@pytest.mark.parametrize(
    ("field", "values", "words"),
    [
        ("sample_length", (100, 120, 160), "Answers changed in length"),
        ("sample_length", (100, 90, 60), "Answers changed in length"),
        ("sample_repetition", (0.02, 0.1, 0.3), "Sampled answers repeat themselves"),
    ],
)
def test_samples_are_compared_with_the_first(caplog, field, values, words):
    both = {"sample_length": 100, "sample_repetition": 0.02}
    see_all(Watch(), [both | {field: value} for value in values])
    (message,) = said(caplog)
    assert message.startswith(f"step 3: {words}")


def test_rows_of_a_resumed_run_count(caplog):
    watch = Watch()
    watch.recall([{"step": i, "chosen_logp": -1.0} for i in range(20)])
    assert said(caplog) == []
    for step in range(20, 30):
        watch.see({"step": step, "chosen_logp": -1.9})
    (message,) = said(caplog)
    assert message.startswith("step 22")  # 3 of its last 5 rows have fallen


def test_a_real_run_that_collapses_says_so(recipe_dict, caplog):
    recipe_dict["loss"] = {"name": "simpo", "beta": 10, "gamma_beta_ratio": 1}
    recipe_dict["training"] |= {"learning_rate": 0.05, "num_train_epochs": 4, "lr_scheduler_type": "constant"}
    with caplog.at_level(logging.WARNING):
        train(parse_recipe(recipe_dict))
    assert any("The chosen answers became less likely" in message for message in said(caplog))


def test_a_healthy_run_says_nothing(recipe_dict, caplog):
    recipe_dict["training"] |= {"sample_every": 5, "samples": 4, "sample_tokens": 16, "learning_rate": 1e-5}
    train(parse_recipe(recipe_dict))
    assert said(caplog) == []
