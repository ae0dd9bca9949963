"""Near-identical, cut-off and refusing answers, each with what must not be named."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gammapo.audit.answers import cut_off, ends_cut, near_identical, refusals, refuses, similarity

LONG = "The river Rhine rises in the Alps and flows north through six countries to the sea."


def test_similarity_counts_common_characters_and_word_pairs():
    assert similarity("abcdefghij", "abcdefghij") == 1
    assert similarity("abcdeXghij", "abcdeYghij") == 0.9
    assert similarity("one two (three)", "one, two, three!") == 1.0
    assert similarity("a" * 10, "a" * 20) == 0.0
    words = [f"w{i}" for i in range(20)]
    swapped = [*words[:2], "x", *words[3:17], "y", *words[18:]]  # 17 of 21 word pairs, ends included
    assert similarity(" ".join(words), " ".join(swapped)) == pytest.approx(17 / 21)
    assert similarity(LONG, LONG[::-1]) < 0.2


DIFFERENT = [
    ("🙌😅🎉", "😌🤗😄"),
    ("a < b", "a > b"),
    ("The sum of them all: -5", "The sum of them all: +5"),
    ("HELLO", "hello"),
    ("दिन", "दीन"),
    ("C", "C++"),
    ("...", "!!!"),
    ("one two one three one", "one three one two one"),  # the same word pairs in another order
]


@pytest.mark.parametrize(("one", "two"), DIFFERENT)
def test_different_answers_are_never_called_the_same(one, two, pair):
    assert similarity(one, two) < 1
    assert all("% the same" in hit.detail for hit in near_identical([pair("1", one, two)]).hits)


@pytest.mark.parametrize(("one", "two"), DIFFERENT)
def test_a_long_answer_with_one_such_difference_is_near_and_not_the_same(one, two, pair):
    first, second = (f"{LONG} {LONG} {LONG} {LONG} {word} {LONG}" for word in (one, two))
    (hit,) = near_identical([pair("1", first, second)]).hits
    assert int(hit.detail.partition(" ")[0]) in range(90, 100)
    assert hit.detail.endswith("% the same")


def test_white_space_and_punctuation_alone_are_said_so(pair):
    for other in ("Yes  it\nis so", "Yes, it is (so)!"):
        (hit,) = near_identical([pair("1", "Yes it is so", other)]).hits
        assert hit.detail == "the same but for punctuation and white space"


@given(st.text(max_size=30), st.text(max_size=30))
def test_similarity_is_a_symmetric_share(one, two):
    assert 0 <= similarity(one, two) <= 1
    assert similarity(one, two) == pytest.approx(similarity(two, one))


@pytest.mark.parametrize(("one", "two"), [("Yes.", "Yes.\n\n"), ("a = 1\nb = 2", "  a = 1\n          b = 2")])
def test_white_space_alone_is_seen_however_much_longer_it_makes_a_text(one, two):
    assert similarity(one, two) == similarity(two, one) == 1
    assert similarity("Yes." + two, one) == similarity("", "    ") == 0


def test_near_identical_names_the_pair_and_its_place(pair):
    found = near_identical([pair("1", LONG, LONG.replace("six", "five")), pair("2", LONG, "Six countries.")])
    assert [(hit.id, hit.origin) for hit in found.hits] == [("1", "pairs.jsonl:1")]
    assert "% the same" in found.hits[0].detail


@pytest.mark.parametrize(
    "answer",
    [
        LONG[:-1] + " where it",
        LONG + " It carries more freight than any other river in Europe, which",
        "```python\nprint(1)",
        LONG + "\n\nIt also divides the city of Basel into two parts, and the",
    ],
)
def test_answers_cut_in_mid_sentence_or_in_code(answer):
    assert ends_cut(answer)


@pytest.mark.parametrize(
    "answer",
    [
        LONG,
        "Paris",
        "one two three four five six seven eight",
        LONG + "\n- the Rhine, which is very long indeed and wide",
        LONG + "\n3. the Danube that flows to the Black Sea in the east",
        "```python\nprint('a b c d e f g h i j k l m n o')\n```",
        LONG + " See https://example.org/rivers",
        LONG + "\n\nYours truly\nA. Writer",
        "Rain came down upon the hill\nand all the little birds were still\nand so was I beneath the tree",
        LONG + " 🙂",
        LONG + '"',
        "川は海へ流れる。",
    ],
)
def test_finished_answers_pass(answer):
    assert ends_cut(answer) == ""


def test_cut_off_counts_sides(pair):
    found = cut_off([pair("1", LONG[:-1] + " and", LONG), pair("2", LONG[:-1] + " and", LONG[:-1] + " or")])
    assert (found.pairs, len(found.hits), found.note) == (2, 3, "2 chosen, 1 rejected")


@pytest.mark.parametrize(
    "answer",
    [
        "I'm sorry, but I can't do that.",
        "I cannot help with this request.",
        "As an AI language model, I have no opinions.",
        "I am unable to browse the web.",
        "I won’t provide that.",
        "I must decline.",
    ],
)
def test_refusals_are_told(answer):
    assert refuses(answer)


@pytest.mark.parametrize(
    "answer",
    [
        "Sorry to hear that! Drink some tea.",
        "You cannot help but laugh.",
        "I can help with that.",
        "He said he was unable to come.",
        "x " * 200 + "I cannot help with this.",
    ],
)
def test_other_answers_are_no_refusals(answer):
    assert refuses(answer) == ""


def test_refusals_count_sides(pair):
    no = "I cannot help with that."
    found = refusals([pair("1", no, "Sure."), pair("2", "Sure.", no), pair("3", no, no + " Sorry.")])
    assert found.note == "2 chosen, 2 rejected, both in 1 pairs"
