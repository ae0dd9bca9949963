"""The shipped prompts and pairs are what the world and the command make."""

import statistics
from importlib.resources import files

import numpy as np
import pytest

from gammapo import data, generation
from gammapo.benchmark.worlds import ConstraintScorer, held_out_tasks, parse, train_tasks

FOLDER = files("gammapo.demo") / "data"


@pytest.fixture(scope="module")
def pairs():
    return data.load_pairs(str(FOLDER / "pairs.jsonl.gz")).pairs


def test_prompt_files_hold_the_worlds_tasks():
    for name, tasks in (("train", train_tasks(1080)), ("held_out", held_out_tasks(120))):
        items = generation.load_prompts(str(FOLDER / f"{name}_prompts.jsonl")).items
        assert [item.instruction for item in items] == [task.prompt for task in tasks]


def test_pairs_are_many_small_and_one_a_training_prompt(pairs):
    assert len(pairs) >= 600
    assert (FOLDER / "pairs.jsonl.gz").stat().st_size < 3_000_000
    prompts = [pair.prompt[-1].content for pair in pairs]
    assert len(set(prompts)) == len(prompts)
    known = {task.prompt for task in train_tasks(1080)}
    assert set(prompts) <= known
    assert not {parse(prompt).subject for prompt in prompts} & {task.subject for task in held_out_tasks(120)}


def test_labels_follow_gold_and_length_hardly_tells_them(pairs):
    gaps = [pair.chosen_score - pair.rejected_score for pair in pairs]
    assert min(gaps) > 0.1
    assert statistics.median(gaps) > 0.3
    longer = statistics.fmean(0.5 + 0.5 * np.sign(len(pair.chosen) - len(pair.rejected)) for pair in pairs)
    assert 0.4 < longer < 0.6


def test_length_does_not_buy_reward_over_real_samples(pairs):
    lengths = [len(text) for pair in pairs for text in (pair.chosen, pair.rejected)]
    scores = [score for pair in pairs for score in (pair.chosen_score, pair.rejected_score)]
    assert abs(statistics.correlation(lengths, scores)) < 0.15


def test_stored_scores_are_the_gold_rewards(pairs, smollm2):
    some = pairs[:: len(pairs) // 12]
    scorer = ConstraintScorer(*smollm2)
    for side in ("chosen", "rejected"):
        scores = scorer.score([pair.prompt for pair in some], [getattr(pair, side) for pair in some])
        assert scores == pytest.approx([getattr(pair, f"{side}_score") for pair in some], abs=1e-3)
