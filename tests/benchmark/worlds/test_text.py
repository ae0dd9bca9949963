import pytest

from gammapo.benchmark.worlds import text


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("One. Two! Three?", 3),
        ("It is 3.5 km long.", 1),
        ("Dr. Smith met J. Brown.", 1),
        ("He said “stop.” Then he left.", 2),
        ("no end mark", 1),
        ("Wait... what?!", 2),
        ("first line\nsecond line", 2),
        ("...", 0),
        ("", 0),
    ],
)
def test_sentences(given, expected):
    assert len(text.sentences(given)) == expected


def test_words_keep_apostrophes_and_hyphens_inside():
    assert text.words("It's a well-known “river”, isn’t it? 42.") == [
        "It's", "a", "well-known", "river", "isn’t", "it", "42"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("- a\n- b\n- c", (3, 0)),
        ("1. a\n2) b\n\n3. c", (3, 0)),
        ("Here:\n* a\n* b", (2, 1)),
        ("-a\n-b", (0, 2)),
        ("", (0, 0)),
    ],
)
def test_bullets_counts_items_and_other_lines(given, expected):
    assert text.bullets(given) == expected


def test_repeated_words_counts_trigrams_seen_before_and_stutters():
    assert text.repeated_words("the river runs to the sea") == 0
    # trigrams: abc bca cab abc bca cab → the last three were seen before
    assert text.repeated_words("a b c a b c a b") == 3
    assert text.repeated_words("river river river") == 2
    assert text.repeated_words("a river a river") == 2  # each equals the word two before


def test_copied_ngrams_ignore_case_and_marks():
    assert text.copied_ngrams("TELL me about a river", "Tell me, about a river!") == 2
    assert text.copied_ngrams("A river runs to the sea", "Tell me about a river.") == 0


@pytest.mark.parametrize(
    ("answer", "noun"),
    [
        ("Rivers run.", "river"),
        ("The river's bed.", "river"),
        ("Many libraries are quiet.", "library"),
        ("Two knives.", "knife"),
        ("Wolves howl.", "wolf"),
        ("The firemen came.", "fireman"),
        ("A riverbank and a river-boat.", "river"),
        ("This station is busy.", "train station"),
        ("CHESS is old.", "chess"),
    ],
)
def test_mentions_knows_inflections(answer, noun):
    assert text.mentions(answer, noun)


@pytest.mark.parametrize(
    ("answer", "noun"),
    [
        ("A driver drives.", "river"),
        ("It is long.", "river"),
        ("The catalogue.", "cat"),
        ("A train left.", "tea"),
    ],
)
def test_mentions_takes_no_part_of_another_word(answer, noun):
    assert not text.mentions(answer, noun)
