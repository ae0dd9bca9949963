import pytest

from gammapo.benchmark.experiment import auroc
from gammapo.benchmark.statistics import area, cells, summaries


def row(loss, rate, seed, gold, **more):
    noise = "symmetric" if rate else "clean"
    base = {"world": "w", "loss": loss, "noise": noise, "rate": rate, "seed": seed, "gold_reward": gold}
    return {**base, "base_gold": 0.5, **more}


ROWS = [
    row(loss, rate, seed, level + wobble, flip_auroc=0.7 if rate else None)
    for loss, rate, level in [
        ("simpo", 0.0, 0.8),
        ("simpo", 0.4, 0.4),
        ("good", 0.0, 0.78),
        ("good", 0.4, 0.7),
    ]
    for seed, wobble in enumerate([-0.1, 0.0, 0.1] if loss == "simpo" else [-0.11, 0.0, 0.11])
]


def test_differences_are_paired_by_seed():
    """Seeds vary by 0.1, the difference within a seed by 0.01: good − simpo at 40 % is 0.29, 0.30, 0.31, of
    standard error is 0.01/√3, and t(2) = 4.303, so the interval is 0.3 ± 0.0248."""
    (good,) = [one for one in cells(ROWS, "simpo") if one["loss"] == "good" and one["rate"] == 0.4]
    assert good["difference"] == pytest.approx(0.3)
    assert good["difference_ci95"] == pytest.approx([0.3 - 0.02484, 0.3 + 0.02484], abs=1e-4)
    assert good["gold_ci95"][1] - good["gold_ci95"][0] > 0.4
    assert good["flip_auroc"] == pytest.approx(0.7)


def test_holm_counts_every_comparison_of_the_grid():
    found = {one["rate"]: one for one in cells(ROWS, "simpo") if one["loss"] == "good"}
    low, high = sorted(found.values(), key=lambda one: one["p_value"])
    assert low["p_holm"] == pytest.approx(2 * low["p_value"])
    assert high["p_holm"] == pytest.approx(max(high["p_value"], low["p_holm"]))
    (base,) = [one for one in cells(ROWS, "simpo") if one["loss"] == "simpo" and one["rate"] == 0.4]
    assert base["p_holm"] is None


def test_summaries_hold_tax_worst_cell_and_area():
    found = {one["loss"]: one for one in summaries(cells(ROWS, "simpo"))}
    assert found["good"]["clean_tax"] == pytest.approx(0.02)
    assert found["simpo"]["clean_tax"] == 0
    assert found["simpo"]["worst_cell"] == "symmetric 0.4"
    assert found["simpo"]["worst_gold"] == pytest.approx(0.4)
    assert found["simpo"]["area"] == {"symmetric": pytest.approx(0.6)}


def test_a_loss_whose_hardest_runs_all_failed_gains_nothing_by_it():
    """Without its cell at 40 %, simpo's mean, worst cell and area would be those of clean labels."""
    kept = [one for one in ROWS if one["loss"] != "simpo" or not one["rate"]]
    found = {one["loss"]: one for one in summaries(cells(kept, "good"))}
    assert found["good"]["lacking"] == []
    assert found["simpo"]["lacking"] == ["symmetric 0.4"]
    assert found["simpo"]["clean_gold"] == pytest.approx(0.8)
    assert [found["simpo"][name] for name in ("mean_gold", "worst_gold", "worst_cell")] == [None] * 3
    assert found["simpo"]["area"] == {"symmetric": None}


def test_a_difference_says_over_how_many_seeds_it_is():
    kept = [one for one in ROWS if one["loss"] != "simpo" or one["seed"] != 2]
    found = {(one["loss"], one["rate"]): one for one in cells(kept, "simpo")}
    assert (found["good", 0.4]["seeds"], found["good", 0.4]["compared_seeds"]) == (3, 2)
    assert found["good", 0.4]["difference"] == pytest.approx(0.295)  # 0.29 and 0.30
    assert found["simpo", 0.4]["compared_seeds"] == 0


def test_area_weighs_unequal_rates_by_their_distance():
    """0.8 at 0, 0.6 at 0.1, 0.2 at 0.4: (0.7·0.1 + 0.4·0.3)/0.4 = 0.475."""
    own = [
        {"noise": noise, "rate": rate, "gold_reward": gold}
        for noise, rate, gold in [("clean", 0.0, 0.8), ("a", 0.4, 0.2), ("a", 0.1, 0.6), ("b", 0.4, 0.0)]
    ]
    assert area(own, "a") == pytest.approx(0.475)


def test_one_seed_gives_no_interval_and_no_p_value():
    (one,) = [c for c in cells([row("simpo", 0, 0, 0.5), row("b", 0, 0, 0.6)], "simpo") if c["loss"] == "b"]
    assert one["gold_ci95"] is None
    assert one["difference"] == pytest.approx(0.1)
    assert one["p_holm"] is None


def test_auroc_by_hand():
    """Positives 3 and 1, negatives 2 and 1: wins 3>2, 3>1, tie 1=1, loss 1<2 → (1+1+0.5+0)/4."""
    import numpy as np

    assert auroc(np.array([3.0, 1.0, 2.0, 1.0]), [True, True, False, False]) == 0.625
    assert auroc(np.array([1.0, 2.0]), [False, False]) is None
