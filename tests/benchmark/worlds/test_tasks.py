from collections import Counter

import pytest

from gammapo.benchmark.worlds.constraints import KINDS
from gammapo.benchmark.worlds.subjects import HELD_OUT, TRAIN
from gammapo.benchmark.worlds.tasks import (
    HELD_OUT_COMBINATIONS,
    composable,
    held_out_tasks,
    parse,
    train_tasks,
)
from gammapo.errors import InputError


def test_subjects_are_many_distinct_and_disjoint():
    phrases = [subject.phrase for subject in (*TRAIN, *HELD_OUT)]
    assert len(set(phrases)) == len(phrases) >= 200
    assert not {subject.noun for subject in TRAIN} & {subject.noun for subject in HELD_OUT}
    assert len(HELD_OUT) >= 50


def test_training_and_held_out_prompts_share_no_subject_and_no_held_out_combination():
    train, held_out = train_tasks(900), held_out_tasks(120)
    assert not {task.subject for task in train} & {task.subject for task in held_out}
    assert len(HELD_OUT_COMBINATIONS) >= 2
    assert not any(task.kinds in HELD_OUT_COMBINATIONS for task in train)
    assert {task.kinds for task in held_out if len(task.kinds) == 2} == set(HELD_OUT_COMBINATIONS)


def test_prompts_are_distinct_use_every_kind_evenly_and_ask_for_one_or_two_things():
    tasks = train_tasks(900)
    assert len({task.prompt for task in tasks}) == 900
    counts = Counter(kind for task in tasks for kind in task.kinds)
    assert set(counts) == set(KINDS)
    assert max(counts.values()) < 2 * min(counts.values())
    assert Counter(len(task.constraints) for task in tasks) == {1: 450, 2: 450}


def test_tasks_are_a_function_of_the_seed_and_a_longer_list_begins_with_the_shorter():
    assert train_tasks(50) == train_tasks(80)[:50]
    assert train_tasks(20) != train_tasks(20, seed=1)
    assert held_out_tasks(16) == held_out_tasks(64)[:16]


def test_every_prompt_reads_back_as_the_task_that_wrote_it():
    for task in (*train_tasks(900), *held_out_tasks(120)):
        assert parse(task.prompt) == task


def test_parse_forgives_white_space_and_takes_no_foreign_prompt():
    assert parse("Describe a river  briefly.\n\nUse no capital letters. ").kinds == {"lowercase"}
    for prompt in (
        "",
        "What is the capital of France?",
        "Describe a river briefly.",
        "Describe a river briefly. Use no capital letters. And sing.",
        "Describe a riverboat briefly. Use no capital letters.",
    ):
        with pytest.raises(InputError, match="constraint world"):
            parse(prompt)


def test_composable_kinds_fix_different_aspects():
    assert composable(KINDS["max_words"], KINDS["question"])
    for pair in (("question", "exclamation"), ("one_sentence", "two_sentences"), ("lowercase", "first_word")):
        assert not composable(*(KINDS[name] for name in pair))
    for task in train_tasks(900):
        if len(task.constraints) == 2:
            assert composable(*(constraint.kind for constraint in task.constraints))
