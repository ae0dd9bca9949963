"""Truncation cuts at a word's end, never to nothing, never to the other answer."""

from gammapo import noise


def test_half_of_the_words_stay(make_pair):
    pair = make_pair(1, chosen="one two  three four five")
    (cut,) = noise.corrupt([pair], "truncate", rate=1.0, seed=0).pairs
    assert cut.chosen == "one two  three"
    assert cut.rejected == pair.rejected
    (cut,) = noise.corrupt([pair], "truncate", rate=1.0, seed=0, side="rejected", keep=0.01).pairs
    assert cut.rejected == "wrong"
    assert cut.chosen == pair.chosen


def test_a_single_word_or_the_other_answer_is_left_alone(make_pair):
    from dataclasses import replace

    word = replace(make_pair(1), chosen="word")
    prefix = replace(make_pair(2), chosen="a b c d", rejected="a b")
    whole = make_pair(3)
    done = noise.corrupt([word, prefix, whole], "truncate", rate=1 / 3, seed=0)
    assert list(done.manifest.changed) == ["p003"]
