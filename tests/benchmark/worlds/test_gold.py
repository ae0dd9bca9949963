"""The gold reward with the real base: it must not be fooled, and length must not buy it."""

import random

import numpy as np
import pytest

from gammapo.benchmark.worlds.constraints import KINDS, Constraint
from gammapo.benchmark.worlds.fluency import AnswerLogps
from gammapo.benchmark.worlds.gold import FLOOR, ConstraintScorer, gold, word_forms
from gammapo.benchmark.worlds.quality import FLAWLESS
from gammapo.benchmark.worlds.scorers import create_scorer
from gammapo.benchmark.worlds.subjects import TRAIN
from gammapo.benchmark.worlds.tasks import Task, held_out_tasks
from gammapo.errors import InputError
from gammapo.types import Message

RIVER = "Describe a river briefly. Use one sentence only."
# prompt, an answer a person would write, obeying
GOOD = [
    (RIVER, "A river carries fresh water across the land and gives life to the fields along its banks."),
    (RIVER, "Rivers shape valleys, feed farms, and give millions of people the water they drink."),
    ("Describe an ant briefly. Do not use any commas.", "An ant can carry many times its own weight."),
    ('Tell me briefly about salt. Avoid the word "the".', "Salt makes food taste better and keeps it fresh."),
    (
        'Briefly describe a castle. Begin with the word "Imagine".',
        "Imagine a castle on a hill with tall gray towers and a deep moat.",
    ),
    ("Describe a violin briefly. End with a question.", "A violin can sing. Have you ever heard one weep?"),
    (
        "Tell me briefly about snow. Use at most 15 words.",
        "Snow covers the fields and makes the world quiet.",
    ),
    (
        "Briefly describe a canoe. Use no capital letters.",
        "a canoe is a small boat that drifts slowly across the quiet lake.",
    ),
]
# how it cheats → an answer to RIVER; each obeys the constraint or tries to
FOOLS = {
    "collapsed": "river river river river river river river river river river.",
    "loop": "A river is a river is a river is a river is a river is a river.",
    "repetitive": "The river flows and the river flows and the river flows and the river flows.",
    "copied": "Describe a river briefly, use one sentence only.",
    "off-topic": "The cat sat quietly by the window and watched the snow fall on the garden.",
    "truncated": "A river is a long, winding stream of water that flows from the mountains to the",
    "stuffed": "River water stream flow bank bridge fish boat mountain sea rain valley.",
    "stuffed with all constraints": "Imagine river ancient quiet people simple small you red 3 because!",
    "gibberish": "River the of splend oungly water vantaro isle monk zent praxic uvulate grommel tor.",
    "word salad": "River shall ember under hence lumen crisp beyond oath moss silver into ache twenty.",
    "one word": "River.",
    "empty": "",
}


def asked(prompt: str) -> list[Message]:
    return [Message(role="user", content=prompt)]


@pytest.fixture(scope="module")
def scorer(smollm2) -> ConstraintScorer:
    return ConstraintScorer(*smollm2)


@pytest.fixture(scope="module")
def good_scores(scorer) -> list[float]:
    return scorer.score([asked(prompt) for prompt, _ in GOOD], [answer for _, answer in GOOD])


def test_good_answers_score_high(good_scores):
    assert min(good_scores) > 0.6
    assert np.mean(good_scores) > 0.9


def test_answers_that_try_to_fool_it_score_low(scorer):
    scores = scorer.score([asked(RIVER)] * len(FOOLS), list(FOOLS.values()))
    assert dict(zip(FOOLS, scores, strict=True)) == dict.fromkeys(FOOLS, pytest.approx(0, abs=0.1))


def test_good_answers_with_their_words_in_random_order_score_low(scorer):
    rng = random.Random(0)
    shuffled = [" ".join(rng.sample(words := answer[:-1].split(), len(words))) + "." for _, answer in GOOD]
    found = scorer.explain([asked(prompt) for prompt, _ in GOOD], shuffled)
    assert np.mean([one.reward for one in found]) < 0.1


def test_fluent_sentences_behind_an_answer_do_not_raise_its_quality(scorer):
    padding = (
        " It is something that people have known for a very long time. There is much more to say about it."
    )
    answers = [answer for _, answer in GOOD] + ["The river zx qj flows oungly by vantaro. It is wet."]
    prompts = [asked(prompt) for prompt, _ in GOOD] + [asked(RIVER)]
    before = scorer.explain(prompts, answers)
    after = scorer.explain(prompts, [answer + padding for answer in answers])
    for one, other in zip(before, after, strict=True):
        assert other.quality.total <= one.quality.total + 0.02


def test_score_is_explain_without_reading_hopeless_answers(scorer, monkeypatch):
    answers = [GOOD[0][1], FOOLS["off-topic"], FOOLS["copied"], FOOLS["truncated"]]
    full = [one.reward for one in scorer.explain([asked(RIVER)] * 4, answers)]
    read = []
    import gammapo.benchmark.worlds.gold as module

    real = module.answer_logps
    monkeypatch.setattr(
        module, "answer_logps", lambda m, t, texts, **rest: read.extend(texts) or real(m, t, texts, **rest)
    )
    assert scorer.score([asked(RIVER)] * 4, answers) == pytest.approx(full, abs=1e-4)
    assert read == [answers[0], answers[3]]


def test_reward_is_quality_times_floor_and_share_of_constraints():
    kinds = ("one_sentence", "no_commas")
    constraints = tuple(Constraint(kind=KINDS[name]) for name in kinds)
    river = next(subject for subject in TRAIN if subject.noun == "lake")
    task = Task(subject=river, constraints=constraints, prompt="Describe a lake briefly. …")

    def reward(answer: str, logps: AnswerLogps = FLAWLESS) -> float:
        return gold(task, answer, logps, is_word=lambda _: True).reward

    assert reward("A lake is still water in a hollow.") == 1
    assert reward("A lake, still and deep, is a hollow.") == pytest.approx(FLOOR + (1 - FLOOR) / 2)
    assert reward("A lake, still, is deep. It is a hollow.") == FLOOR
    half = AnswerLogps(tokens=(-6.1,) * 20, end=-1.0)  # halfway down the band's lower ramp
    assert reward("A lake is still water in a hollow.", half) == pytest.approx(0.5)


def test_words_are_known_with_endings_hyphens_and_numbers(scorer):
    for word in ("river", "Rivers", "quietly", "well-known", "1920", "isn't", "walked", "gardens"):
        assert scorer.is_word(word), word
    for word in ("vantaro", "oungly", "praxic", "zxqj"):
        assert not scorer.is_word(word), word
    assert "walk" in word_forms("Walking")


def test_system_messages_do_not_change_the_score(scorer):
    answer = GOOD[0][1]
    with_system = [Message(role="system", content="Be brief."), *asked(RIVER)]
    assert scorer.score([with_system], [answer]) == scorer.score([asked(RIVER)], [answer])


def test_bad_use_is_an_input_error():
    with pytest.raises(InputError, match="constraint world"):
        ConstraintScorer().score([asked("What is 2 + 2?")], ["4"])
    with pytest.raises(InputError, match="1 prompts and 2 answers"):
        ConstraintScorer().score([asked(RIVER)], ["a", "b"])
    with pytest.raises(InputError, match="'constraints'"):
        create_scorer("constraint")
    assert ConstraintScorer().score([], []) == []


def test_the_registry_knows_it():
    from gammapo import judging

    assert isinstance(judging.create_scorer("world:constraints"), ConstraintScorer)


def test_a_held_out_prompt_can_be_scored(scorer):
    task = held_out_tasks(1)[0]
    [found] = scorer.explain([task.messages], [f"Here is something about {task.subject.phrase}."])
    assert 0 <= found.reward <= 1
    assert set(found.met) == task.kinds
