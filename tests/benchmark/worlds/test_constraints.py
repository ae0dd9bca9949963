import pytest

from gammapo.benchmark.worlds.constraints import KINDS, Constraint

# kind, value, an answer that obeys, answers that do not
CASES = [
    ("one_sentence", "", "A river runs to the sea.", ["It runs. It stops.", "A\nB"]),
    ("two_sentences", "", "It runs. It stops.", ["It runs.", "It runs. It stops. It ends."]),
    ("max_words", "15", "one two three " * 5, ["word " * 16]),
    ("word_range", "10 and 20", "word " * 10, ["word " * 9, "word " * 21]),
    ("no_commas", "", "It runs and ends.", ["It runs, and ends."]),
    ("lowercase", "", "a river runs to the sea.", ["A river runs."]),
    ("question", "", "It runs. Have you seen it?", ["Is it? It is."]),
    ("exclamation", "", "“It runs!”", ["Oh! It runs."]),
    ("first_word", "Imagine", "“Imagine a river.”", ["I imagine a river."]),
    ("include_word", "small", "A Small river.", ["The smallest river."]),
    ("avoid_word", "the", "Rivers run there.", ["The river runs."]),
    ("number", "", "It is 40 km long.", ["It is forty km long."]),
    ("color", "", "A green river.", ["A greenish river."]),
    ("three_bullets", "", "- one\n- two\n- three", ["- one\n- two", "Look:\n- one\n- two\n- three"]),
    ("to_reader", "", "You may swim in it.", ["They may swim in it."]),
]


def test_every_kind_has_a_case_and_there_are_at_least_twelve():
    assert sorted(case[0] for case in CASES) == sorted(KINDS)
    assert len(KINDS) >= 12


@pytest.mark.parametrize(("name", "value", "good", "bad"), CASES, ids=[case[0] for case in CASES])
def test_checks(name, value, good, bad):
    constraint = Constraint(kind=KINDS[name], value=value)
    assert constraint.met(good)
    assert not any(constraint.met(answer) for answer in bad)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("answer", ["", "  \n", "...", "?!"])
def test_an_answer_without_words_obeys_nothing(name, answer):
    assert not Constraint(kind=KINDS[name], value=KINDS[name].values[0]).met(answer)


def test_a_kind_with_values_writes_them_into_every_phrase():
    for kind in KINDS.values():
        assert all(("{}" in phrase) == (kind.values != ("",)) for phrase in kind.phrases)
