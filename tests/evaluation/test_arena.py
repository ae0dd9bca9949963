import json

import numpy as np
import pytest

from gammapo import evaluation
from gammapo.errors import InputError
from gammapo.evaluation.evaluate import Options


@pytest.fixture
def file(tmp_path, own_rows):
    def make(model, reference, share=0.5, n=100):
        rows = own_rows(n, model=model, reference=reference)
        for place, row in enumerate(rows):
            row["preference"] = 2.0 if place < share * n else 1.0
        path = tmp_path / f"{model}-{reference}.json"
        path.write_text(json.dumps(rows))
        return evaluation.read_annotations(path)

    return make


def test_head_to_head_says_who_wins(file):
    beaten = evaluation.head_to_head(file("a", "b", 0.7), options=Options(bootstrap=500))
    assert beaten.sentence.startswith("a beats b: it wins 70.0 % of 100 (95 %: ")
    assert beaten.edge.estimate == pytest.approx(20)
    assert beaten.edge.standard_error == pytest.approx(4.6, abs=0.5)  # sqrt(0.7·0.3/100)
    even = evaluation.head_to_head(file("a", "b", 0.5), options=Options(bootstrap=500))
    assert "cannot be told from" in even.sentence
    assert evaluation.head_to_head(file("a", "b", 0.2)).sentence.startswith("a loses to b")


def test_a_judge_that_likes_one_place_cancels_over_both_orders(file):
    """It prefers output_2 in 80 of 100 whatever it is: a "wins" 80 % in one order and 20 % in the other."""
    forward, backward = file("a", "b", 0.8), file("b", "a", 0.8)
    both = evaluation.both_orders(forward, backward)
    assert evaluation.win_rate(both.preferences).win_rate == pytest.approx(50)
    assert evaluation.head_to_head(forward, swapped=backward).edge.estimate == pytest.approx(0)


def test_orders_that_do_not_belong_together_are_refused(file):
    with pytest.raises(InputError, match="judges 'a' against 'b'"):
        evaluation.both_orders(file("a", "b"), file("a", "b"))
    with pytest.raises(InputError, match="instructions differ"):
        evaluation.both_orders(file("a", "b"), file("b", "a", n=90))


def test_two_models_have_the_rating_of_their_win_rate(file):
    """75 % is ln 3 in log-odds, 190.85 Elo points, half on each side of the mean."""
    first, second = evaluation.ratings([file("a", "b", 0.75)], n_bootstrap=200)
    assert (first.name, second.name) == ("a", "b")
    assert first.interval.estimate == pytest.approx(95.42, abs=0.05)
    assert first.interval.low < 95.42 < first.interval.high
    assert first.n_comparisons == 100


def test_ratings_do_not_depend_on_the_names(tmp_path, own_rows):
    """b meets a 60 times and c three times: some resamples hold no row of c, and say nothing of it."""

    def found(names):
        rows = own_rows(63, model=names[1], reference=names[0])
        for place, row in enumerate(rows):
            row["preference"] = (1.2 if place % 2 else 1.6) if place >= 60 else (1.0 if place % 5 else 2.0)
            if place >= 60:
                row["generator_1"] = names[2]
        path = tmp_path / f"{''.join(names)}.json"
        path.write_text(json.dumps(rows))
        rated = evaluation.ratings([evaluation.read_annotations(path)], n_bootstrap=300)
        back = dict(zip(names, "abc", strict=True))
        return {back[r.name]: r.interval for r in rated}

    one, two = found("abc"), found("zyx")
    for name in "abc":
        assert two[name].estimate == pytest.approx(one[name].estimate, abs=1e-3)
        assert [two[name].low, two[name].high] == pytest.approx([one[name].low, one[name].high], abs=1e-3)
        assert one[name].low < one[name].estimate < one[name].high
    assert 250 < one["a"].n_bootstrap < 300  # e⁻³ of the resamples are without c


def test_ratings_chain_through_common_opponents(file):
    found = evaluation.ratings([file("a", "b", 0.75), file("b", "c", 0.75)], n_bootstrap=50)
    assert [r.interval.estimate for r in found] == pytest.approx([190.85, 0, -190.85], abs=0.1)


def test_ratings_agree_with_the_win_rates_against_one_reference(annotation_files):
    names = ("claude-2.1", "vicuna-7b-v1.5", "alpaca-7b")
    files = [evaluation.read_annotations(annotation_files[name]) for name in names]
    found = {r.name: r.interval.estimate for r in evaluation.ratings(files, n_bootstrap=20)}
    anchor = found["gpt4_1106_preview"]
    for name, file in zip(names, files, strict=True):
        implied = 1 / (1 + 10 ** ((anchor - found[name]) / 400))
        assert implied == pytest.approx(np.mean(file.preferences - 1), abs=1e-4)


@pytest.mark.parametrize(
    ("shares", "said"),
    [
        ([("a", "b", 0.5), ("b", "c", 0.9)], None),
        ([("a", "b", 0.5), ("c", "b", 1.0)], "a, b took no point off c: nothing bounds the gap"),
        ([("a", "b", 0.5), ("c", "b", 0.0)], "c took no point off a, b: "),
        ([("a", "b", 0.5), ("c", "d", 0.5), ("a", "d", 1.0)], "c, d took no point off a, b: "),
        ([("a", "b", 1.0), ("b", "c", 1.0), ("c", "a", 1.0)], None),
    ],
)
def test_a_gap_that_nothing_bounds_is_told(file, shares, said):
    """A circle of three has finite ratings though each comparison is one-sided."""
    found = evaluation.arena.one_sided([file(*share) for share in shares])
    assert found is None if said is None else found.startswith(said)


def test_models_that_nothing_connects_are_refused(file):
    with pytest.raises(InputError, match="no chain of comparisons leads from a to c, d"):
        evaluation.ratings([file("a", "b"), file("c", "d")])


def test_a_model_that_wins_everything_stays_finite(file):
    found = evaluation.ratings([file("a", "b", 1.0)], n_bootstrap=20)
    assert all(np.isfinite(r.interval.high) for r in found)


def test_an_impossible_preference_of_the_other_order_is_not_averaged_away(file, tmp_path, own_rows):
    forward = file("a", "b")
    rows = own_rows(100, model="b", reference="a")
    rows[4]["preference"] = 2.5  # with a forward 2 it would become 1.25
    path = tmp_path / "back.json"
    path.write_text(json.dumps(rows))
    with pytest.raises(InputError, match=r"back.json: row 5: preference: 1 preferences lie outside"):
        evaluation.both_orders(forward, evaluation.read_annotations(path))


def test_too_few_comparisons_for_intervals_are_refused(file, tmp_path, own_rows):
    rows = own_rows(12)
    for row, a, b in zip(rows, "abcdefghijkl", "bcdefghijklm", strict=True):
        row |= {"generator_1": a, "generator_2": b}
    (tmp_path / "chain.json").write_text(json.dumps(rows))
    with pytest.raises(InputError, match="12 comparisons of 13 models"):
        evaluation.ratings([evaluation.read_annotations(tmp_path / "chain.json")], n_bootstrap=100)
    with pytest.raises(InputError, match="1 comparison of 2 models"):
        evaluation.ratings([file("a", "b", n=1)], n_bootstrap=100)
    assert evaluation.head_to_head(file("a", "b", 1.0, n=1)).sentence.endswith("it wins 100.0 % of 1")
