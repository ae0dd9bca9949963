from gammapo.report.finding import headline, verdict

BASE = {"model": "base", "loss": None, "noise_rate": None, "gold_reward": 0.2, "gold_reward_ci95": [0.1, 0.3]}


def model(name, gold, ends=None, rate=0.4):
    return {"model": name, "loss": name, "noise_rate": rate, "gold_reward": gold, "gold_reward_ci95": ends}


def compared(difference, ends, a="x", b="y", metric="gold_reward"):
    return {"a": a, "b": b, "metric": metric, "difference": difference, "ci95": ends}


def test_a_clear_paired_difference_names_the_winner():
    found = headline([BASE, model("x", 0.5), model("y", 0.4)], [compared(0.1, [0.02, 0.18])])
    assert found.decided
    assert found.text == (
        "With 40 % of the labels corrupted, **x** beats **y**: gold reward 0.500 against 0.400, "
        "+0.100 (95 % interval of the paired difference +0.020 to +0.180)."
    )


def test_the_winner_is_named_whichever_way_round_the_difference_was_taken():
    found = headline([model("x", 0.4), model("y", 0.5)], [compared(-0.1, [-0.18, -0.02])])
    assert "**y** beats **x**: gold reward 0.500 against 0.400, +0.100" in found.text
    assert "+0.020 to +0.180" in found.text


def test_zero_in_the_interval_is_said():
    for ends in ([-0.02, 0.1], [0.0, 0.1]):
        found = headline([model("x", 0.5), model("y", 0.46)], [compared(0.04, ends)])
        assert not found.decided
        assert "cannot be told apart" in found.text
        assert "beats" not in found.text


def test_gold_reward_comes_before_other_metrics_and_else_the_callers_order():
    rows = [{**model("x", 0.5), "win_rate": 60.0}, {**model("y", 0.4), "win_rate": 50.0}, model("z", 0.3)]
    win, gold = compared(10.0, [1.0, 19.0], metric="win_rate"), compared(0.2, [0.1, 0.3], b="z")
    assert "**x** beats **z**" in headline(rows, [win, gold]).text
    assert "win rate 60.0 % against 50.0 %, +10.0 %" in headline(rows, [win]).text


def test_without_pairs_only_separate_intervals_decide():
    apart = headline([BASE, model("x", 0.5, [0.45, 0.55]), model("y", 0.3, [0.25, 0.35])], [])
    assert apart.decided
    assert "**x** beats **y**" in apart.text
    close = headline([BASE, model("x", 0.5, [0.4, 0.6]), model("y", 0.45, [0.35, 0.55])], [])
    assert not close.decided
    assert "no paired difference was given" in close.text


def test_without_pairs_the_models_with_most_noise_are_compared():
    rows = [
        model("clean", 0.9, [0.8, 1.0], rate=0.0),
        model("x", 0.5, [0.4, 0.6]),
        model("y", 0.45, [0.3, 0.6]),
    ]
    assert "clean" not in headline(rows, []).text


def test_different_labels_make_no_common_setting():
    found = headline([model("x", 0.5, rate=0.0), model("y", 0.4)], [compared(0.1, [0.02, 0.18])])
    assert found.text.startswith("**x** beats")


def test_few_or_no_results():
    assert "earns a gold reward of 0.500" in headline([BASE, model("x", 0.5, [0.4, 0.6])], []).text
    assert "No trained model" in headline([BASE], []).text


def test_verdict():
    assert verdict(compared(1, [0.5, 1.5])).text == "x is higher"
    assert verdict(compared(-1, [-1.5, -0.5])).text == "y is higher"
    assert verdict(compared(1, [-0.5, 2.5])).text == "cannot be told apart"


def test_one_leader_against_several_rivals():
    rows = [model("x", 0.5), model("y", 0.4), model("z", 0.48), model("clean", 0.9, rate=0.0)]
    pairs = [
        compared(0.4, [0.3, 0.5], a="clean", b="x"),
        compared(-0.1, [-0.18, -0.02], a="y", b="x"),
        compared(0.02, [-0.03, 0.07], b="z"),
    ]
    found = headline(rows, pairs)
    assert not found.decided
    assert found.text == (
        "With 40 % of the labels corrupted, **x** has the highest gold reward, 0.500: it beats "
        "**y** (0.400; +0.100, +0.020 to +0.180) but cannot be told apart from "
        "**z** (0.480; +0.020, −0.030 to +0.070) (paired differences with 95 % intervals)."
    )
    pairs[2]["ci95"] = [0.01, 0.03]
    assert headline(rows, pairs).decided


def test_a_corrected_p_value_has_the_last_word():
    rows = [model("x", 0.5), model("y", 0.4)]
    weak = {**compared(0.1, [0.001, 0.199]), "p_value_holm": 0.12}
    found = headline(rows, [weak])
    assert not found.decided
    assert "includes zero" not in found.text
    assert "corrected for the number of comparisons its p-value is 0.120" in found.text
    assert verdict(weak).text == "cannot be told apart"
    assert headline(rows, [{**weak, "p_value_holm": 0.01}]).decided
