import json

import pytest

from gammapo.training import parse_recipe, train
from gammapo.training.sampling import SamplingPlan, choose_prompts, repetition, sample_metrics
from gammapo.types import Generation, TokenizedPair


def test_repetition_by_hand():
    assert repetition([1, 2, 3]) == 0
    assert repetition([1, 2, 3, 4, 5]) == 0
    # 1212 2121 1212 2121 1212: five 4-grams, two different ones
    assert repetition([1, 2] * 4) == pytest.approx(3 / 5)
    assert repetition([7] * 13) == pytest.approx(9 / 10)


def test_metrics_are_means_over_answers():
    answers = [
        Generation(text="", token_ids=(1, 2, 3, 4, 5, 6), finish_reason="stop"),
        Generation(text="", token_ids=(1, 2) * 4, finish_reason="length"),
    ]
    assert sample_metrics(answers) == {"sample_length": 7.0, "sample_repetition": pytest.approx(0.3)}


@pytest.mark.parametrize(
    ("every", "logging", "steps"),
    [(1, 1, [1, 2, 3, 4, 5, 6, 7, 8]), (3, 1, [3, 6]), (4, 3, [6]), (3, 2, [4, 6]), (2, 4, [4, 8])],
)
def test_due_at_the_first_logging_step_from_each_multiple_on(every, logging, steps):
    plan = SamplingPlan(every=every, prompts=(), max_new_tokens=8, seed=0)
    assert [step for step in range(logging, 9, logging) if plan.due(step, logging)] == steps


def test_the_last_step_samples_what_has_come_since_the_last_row():
    plan = SamplingPlan(every=4, prompts=(), max_new_tokens=8, seed=0)
    assert not plan.due(10, 3), "the rows are of 3, 6, 9 and 10, and 9 has sampled for 8"
    assert plan.due(8, 7)


def test_prompts_are_distinct_and_drawn_by_seed():
    pairs = [TokenizedPair(id=f"p{i}", prompt=(i % 7,), chosen=(1,), rejected=(2,)) for i in range(21)]
    first = choose_prompts(pairs, 5, 0)
    assert len({prompt for _, prompt in first}) == 5
    assert first == choose_prompts(pairs, 5, 0) != choose_prompts(pairs, 5, 1)
    assert len(choose_prompts(pairs, 50, 0)) == 7


def test_a_run_samples_before_and_during_training(recipe_dict):
    plain = train(parse_recipe(recipe_dict | {"output": recipe_dict["output"] + "-plain"}))
    recipe_dict["training"] |= {"sample_every": 4, "samples": 3, "sample_tokens": 12}
    folder = train(parse_recipe(recipe_dict)).folder
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if "sample_length" in row] == [0, 4, 8]
    assert all(0 < row["sample_length"] <= 12 for row in rows if "sample_length" in row)
    samples = [json.loads(line) for line in (folder / "samples.jsonl").read_text().splitlines()]
    assert [row["step"] for row in samples] == [0] * 3 + [4] * 3 + [8] * 3
    assert samples[0]["pair_id"] == samples[3]["pair_id"]
    assert samples[0]["prompt"].startswith("<s><|user|>Tell me about")
    # sampling changes nothing of the training
    without = [json.loads(line) for line in (plain.folder / "metrics.jsonl").read_text().splitlines()]
    assert [row["loss"] for row in rows[1:]] == [row["loss"] for row in without]
