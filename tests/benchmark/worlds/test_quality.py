import dataclasses

import pytest

from gammapo.benchmark.worlds.fluency import AnswerLogps
from gammapo.benchmark.worlds.quality import FLAWLESS, Quality, assess, ramp

PROMPT = "Describe a river briefly. Use one sentence only."
GOOD = "A river carries fresh water across the land and gives life to the fields along its banks."


def quality(answer: str, logps: AnswerLogps = FLAWLESS) -> Quality:
    return assess(answer, prompt=PROMPT, noun="river", logps=logps, is_word=lambda word: "x" not in word)


def test_ramp_rises_or_falls_between_its_ends():
    assert [ramp(value, (0.0, 2.0)) for value in (-1, 0, 0.5, 2, 3)] == [0, 0, 0.25, 1, 1]
    assert [ramp(value, (2.0, 0.0)) for value in (3, 1.5, 0)] == [0, 0.25, 1]


def test_an_ordinary_answer_is_flawless():
    assert set(quality(GOOD).as_dict().values()) == {1.0}


def test_the_total_is_the_worst_quality():
    whole = quality(GOOD)
    for name in whole.as_dict():
        assert dataclasses.replace(whole, **{name: 0.3}).total == 0.3


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        ("A river is a river is a river is a river.", "varied"),
        ("The river flows and the river flows and the river flows.", "varied"),
        ("Describe a river briefly, use one sentence only.", "own_words"),
        ("The cat sat by the window and watched the snow.", "on_topic"),
        ("A xriver xruns xto xthe xsea by a river.", "real_words"),
        ("A river.", "answered"),
    ],
)
def test_each_fault_is_found_by_its_own_quality(answer, name):
    found = quality(answer)
    assert getattr(found, name) == found.total <= 0.2


def test_text_without_end_mark_is_ended_only_if_the_base_would_stop_there():
    cut = "A river carries fresh water across the"
    assert quality(cut, AnswerLogps(tokens=(-1.5,) * 8, end=-12.0)).ended == 0
    assert quality(cut, AnswerLogps(tokens=(-1.5,) * 8, end=-1.0)).ended == 1


def test_likelihood_must_lie_in_a_band():
    def at(value: float) -> float:
        return quality(GOOD, AnswerLogps(tokens=(value,) * 20, end=-1.0)).total

    assert at(-9.0) == 0  # gibberish
    assert at(-0.1) == 0  # a degenerate loop
    assert at(-1.0) == at(-3.0) == 1  # nothing to gain inside the band


def test_one_absurd_passage_is_not_diluted_by_fluent_text_around_it():
    logps = AnswerLogps(tokens=(*[-1.0] * 40, *[-9.0] * 16, *[-1.0] * 40), end=-1.0)
    assert logps.mean > -3
    assert quality(GOOD, logps).likely == 0


@pytest.mark.parametrize(
    "flawed",
    [
        "The river flows and the river flows and the river runs from there.",
        "A xriver xruns xto the sea beside another river xthere and xthen it stops in the xmarsh for good.",
        "Describe a river briefly, use one sentence, and then say more about how it runs.",
    ],
)
def test_further_sentences_do_not_raise_a_flawed_answer(flawed):
    padding = " It is wide and slow in summer. Many kinds of fish live in its cold, clear water all year."
    assert quality(flawed).total < 1
    assert quality(flawed + padding).total <= quality(flawed).total
