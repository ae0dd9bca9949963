import pytest

from gammapo.errors import InputError
from gammapo.report import robustness
from gammapo.report.robustness import Cell


def rows(values, world="w", noise="symmetric"):
    """`values`: (loss, rate) → one value a seed."""
    return [
        {"world": world, "loss": loss, "noise": noise, "rate": rate, "seed": seed, "gold_reward": value}
        for (loss, rate), found in values.items()
        for seed, value in enumerate(found)
    ]


VALUES = {
    ("good", 0.0): [0.80, 0.82, 0.84],
    ("good", 0.4): [0.70, 0.72, 0.74],
    ("bad", 0.0): [0.81, 0.82, 0.84],
    ("bad", 0.4): [0.30, 0.32, 0.35],
}
CLEAN, NOISY = Cell(world="w", noise="", rate=0.0), Cell(world="w", noise="symmetric", rate=0.4)


def test_cells_join_the_clean_runs_of_all_noise_kinds():
    clean = rows({("a", 0.0): [0.5]}, noise="ties") + rows({("a", 0.0): [0.5]}, noise="symmetric")
    table = robustness.tabulate(clean, "gold_reward")
    assert list(table) == [CLEAN]
    assert table[CLEAN] == {"a": {0: 0.5}}


def test_two_runs_that_differ_are_refused():
    twice = rows({("a", 0.4): [0.5]}) + rows({("a", 0.4): [0.6]})
    with pytest.raises(InputError, match="two runs differ"):
        robustness.tabulate(twice, "gold_reward")


def test_failed_runs_are_left_out_and_none_at_all_is_an_error():
    failed = [{**row, "gold_reward": None} for row in rows({("b", 0.4): [0.5]})]
    table = robustness.tabulate(rows({("a", 0.4): [0.5]}) + failed, "gold_reward")
    assert list(table[NOISY]) == ["a"]
    with pytest.raises(InputError, match="no run"):
        robustness.tabulate(failed, "gold_reward")


def test_best_and_ties_are_by_paired_difference():
    """Clean: differences 0.01, 0, 0 hold zero. At 40 %: 0.40, 0.40, 0.39 do not."""
    table = robustness.tabulate(rows(VALUES), "gold_reward")
    assert robustness.best_of(table[CLEAN]) == ("bad", {"good"})
    assert robustness.best_of(table[NOISY]) == ("good", set())


def test_pairing_sees_what_independent_intervals_would_miss():
    spread = {("a", 0.4): [0.1, 0.5, 0.9], ("b", 0.4): [0.09, 0.48, 0.89]}
    table = robustness.tabulate(rows(spread), "gold_reward")
    assert robustness.best_of(table[NOISY]) == ("a", {"b"})  # 0.01, 0.02, 0.01: t interval −0.001 to 0.028
    spread[("b", 0.4)] = [0.08, 0.48, 0.88]
    table = robustness.tabulate(rows(spread), "gold_reward")
    assert robustness.best_of(table[NOISY]) == ("a", set())


def test_ranking_by_hand():
    """Scores by seed, good: 0.75, 0.77, 0.79; bad: 0.555, 0.57, 0.595. Differences −0.195, −0.20, −0.195."""
    table = robustness.tabulate(rows(VALUES), "gold_reward")
    (first, second), cells = robustness.rank(table, rows(VALUES))
    assert cells == [CLEAN, NOISY]
    assert (first.loss, first.behind, first.top) == ("good", None, 2)
    assert first.score.mean == pytest.approx(0.77)
    assert second.behind.mean == pytest.approx(-0.59 / 3)
    assert not second.tied
    assert second.top == 1
    assert second.worst_cell == NOISY
    assert second.worst == pytest.approx(0.97 / 3)
    assert (first.clean, first.noisiest) == (pytest.approx(0.82), pytest.approx(0.72))


def test_a_seed_that_one_loss_alone_has_moves_no_column_of_the_ranking():
    """Its one high seed would lift the mean at most noise, the worst cell, and who is best there."""
    more = VALUES | {("bad", 0.4): [0.30, 0.32, 0.35, 9.0]}
    table = robustness.tabulate(rows(more), "gold_reward")
    assert robustness.missing(table) == 1
    standings, _ = robustness.rank(table, rows(more))
    expected, _ = robustness.rank(robustness.tabulate(rows(VALUES), "gold_reward"), rows(VALUES))
    assert standings == expected
    assert robustness.missing(robustness.tabulate(rows(VALUES), "gold_reward")) == 0


def test_only_conditions_of_all_losses_are_ranked():
    some = {key: value for key, value in VALUES.items() if key != ("bad", 0.4)}
    standings, cells = robustness.rank(robustness.tabulate(rows(some), "gold_reward"), rows(some))
    assert cells == [CLEAN]
    assert standings[1].tied


def test_no_common_condition_gives_no_ranking():
    apart = rows({("a", 0.0): [0.5]}) + rows({("b", 0.4): [0.5]})
    assert robustness.rank(robustness.tabulate(apart, "gold_reward"), apart) == ([], [])


def test_one_seed_decides_nothing():
    one = {key: value[:1] for key, value in VALUES.items()}
    standings, _ = robustness.rank(robustness.tabulate(rows(one), "gold_reward"), rows(one))
    assert all(standing.tied for standing in standings)


def test_curves_begin_at_the_clean_runs():
    found = robustness.curve_rows(robustness.tabulate(rows(VALUES), "gold_reward"))
    good = [row for row in found if row["loss"] == "good"]
    assert [(row["panel"], row["rate"]) for row in good] == [("symmetric", 0.0), ("symmetric", 0.4)]
    assert good[0]["mean"] == pytest.approx(0.82)
    assert good[0]["low"] == pytest.approx(0.82 - 4.302653 * 0.02 / 3**0.5, abs=1e-6)


def test_heat_places_and_marks():
    table = robustness.tabulate(rows(VALUES), "gold_reward")
    found = {(row["loss"], row["column"]): row for row in robustness.heat_rows(table, [CLEAN, NOISY])}
    assert found["bad", "clean"]["mark"] == "★"
    assert found["good", "clean"]["mark"] == "="
    noisy = "symmetric 40\u00a0%"
    assert (found["good", noisy]["mark"], found["good", noisy]["place"]) == ("★", 1.0)
    assert (found["bad", noisy]["mark"], found["bad", noisy]["place"]) == ("", 0.0)


@pytest.mark.parametrize(
    ("change", "field"),
    [({"rate": 40}, "rate"), ({"rate": "x"}, "rate"), ({"loss": None}, "loss"), ({"seed": ...}, "seed")],
)
def test_bad_rows_are_placed(change, field):
    bad = rows({("a", 0.4): [0.5, 0.6]})
    bad[1] = {key: value for key, value in {**bad[1], **change}.items() if value is not ...}
    with pytest.raises(InputError) as error:
        robustness.check_rows(bad, "results.jsonl")
    assert str(error.value).startswith(f"results.jsonl:2: {field}: ")
