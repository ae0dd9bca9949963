import json

import numpy as np
import pytest

from gammapo import evaluation
from gammapo.errors import InputError
from gammapo.evaluation.evaluate import Options, labels
from gammapo.evaluation.page import leaderboard_page

KEYS = """win_rate standard_error n_wins n_wins_base n_draws n_total discrete_win_rate avg_length
length_controlled_winrate lc_standard_error win_rate_ci95 lc_ci95 generator reference warnings""".split()


def test_the_promised_keys_are_there_and_json_ready(own_rows, make_file):
    (result,) = evaluation.evaluate_files([make_file(own_rows())], Options(bootstrap=50))
    found = json.loads(json.dumps(result.as_dict(), allow_nan=False))
    assert set(KEYS) <= set(found)
    low, high = found["win_rate_ci95"]
    assert low <= found["win_rate"] <= high
    assert found["lc_tables"] == "none"
    assert any("difficulty is not known" in warning for warning in found["warnings"])


def test_the_bootstraps_error_of_lc_is_larger_than_the_evaluators(annotation_files):
    (result,) = evaluation.evaluate_files([annotation_files["NullModel"]], Options(bootstrap=300))
    ratio = result.lc_ci.standard_error / result.length_controlled.lc_standard_error
    assert 3 < ratio < 8
    assert result.as_dict()["lc_tables"] == "packaged"
    assert result.lc_ci.low < 86.458 < result.lc_ci.high


def test_without_bootstrap_there_are_no_intervals(own_rows, make_file):
    (result,) = evaluation.evaluate_files([make_file(own_rows())], Options(bootstrap=0))
    assert result.as_dict()["win_rate_ci95"] is None
    assert result.as_dict()["lc_ci95"] is None


def test_a_model_against_itself_is_fifty_whatever_the_judge_said(own_rows, make_file):
    rows = [{**row, "output_2": row["output_1"]} for row in own_rows(model="base")]
    (result,) = evaluation.evaluate_files([make_file(rows)], Options(bootstrap=20))
    assert result.length_controlled.length_controlled_winrate == 50
    assert any("compared with itself" in warning for warning in result.warnings)


def test_two_models_of_one_name_are_not_fifty(own_rows, make_file):
    rows = own_rows(60)
    for place, row in enumerate(rows):
        row["preference"] = 2.0 if place % 5 else 1.0
    (apart,) = evaluation.evaluate_files([make_file(rows)], Options(bootstrap=0))
    for row in rows:
        row["generator_2"] = "base"
    (alike,) = evaluation.evaluate_files([make_file(rows)], Options(bootstrap=0))
    lc = [found.length_controlled.length_controlled_winrate for found in (apart, alike)]
    assert lc[0] == lc[1] > 70
    assert any("both sides are named 'base', but 60 of 60 outputs differ" in w for w in alike.warnings)


def test_models_of_one_name_in_two_files_are_told_apart_by_their_files(own_rows, make_file):
    paths = [make_file(own_rows(20), name) for name in ("a.json", "b.json")]
    paths.append(make_file(own_rows(20, model="other"), "c.json"))
    found = evaluation.evaluate_files(paths, Options(bootstrap=0))
    assert labels(found) == [f"ours ({paths[0]})", f"ours ({paths[1]})", "other"]
    page = leaderboard_page(found)
    assert page.count(f"<td>ours ({paths[0]})") == 1


def test_few_rows_have_a_win_rate_but_no_lc(own_rows, make_file):
    (result,) = evaluation.evaluate_files([make_file(own_rows(6))], Options(bootstrap=20))
    assert result.length_controlled is None
    assert result.as_dict()["length_controlled_winrate"] is None
    assert any("too few" in warning for warning in result.warnings)
    assert any("only 6 rows are judged" in warning for warning in result.warnings)


def test_a_file_without_a_judgement_is_refused_by_name(own_rows, make_file):
    path = make_file(own_rows(20, preference=None))
    with pytest.raises(InputError, match=f"{path}: preference: no row has a preference"):
        evaluation.evaluate_files([path], Options(allow=("nulls",)))


def test_an_interval_without_width_is_called_so(own_rows, make_file):
    (result,) = evaluation.evaluate_files([make_file(own_rows(40, preference=2.0))], Options(bootstrap=20))
    assert result.as_dict()["win_rate_ci95"] == [100, 100]
    assert any("understates the doubt" in warning for warning in result.warnings)


def test_a_width_of_zero_is_seen_through_rounding_and_among_few_rows(own_rows, make_file):
    """The deviation of forty times 0.6 is not exactly 0."""
    for n in (40, 6):
        rows = own_rows(n, preference=1.6)
        (result,) = evaluation.evaluate_files([make_file(rows)], Options(bootstrap=20))
        assert any("understates the doubt" in warning for warning in result.warnings)


def test_repeated_instructions_are_drawn_together_when_allowed(own_rows, make_file):
    rows = own_rows(40)
    four_times = [dict(row) for row in rows for _ in range(4)]
    once, repeated = (
        evaluation.evaluate(
            evaluation.read_annotations(make_file(r)), Options(bootstrap=2000, allow=("repeats",))
        )
        for r in (rows, four_times)
    )
    assert repeated.win_rate_ci.n_units == 40
    assert repeated.win_rate_ci.standard_error == pytest.approx(once.win_rate_ci.standard_error, rel=0.1)


def test_the_leaderboards_join_needs_the_leaderboards_reference(own_rows, make_file):
    with pytest.raises(InputError, match="leave out --leaderboard-compatible"):
        evaluation.evaluate_files([make_file(own_rows())], Options(leaderboard_compatible=True))


def test_joint_difficulty_sharpens_own_sets_and_is_said_aloud(tmp_path, own_rows):
    rng = np.random.default_rng(0)
    hard = rng.normal(0, 2, 120)
    paths = []
    for model in range(4):
        rows = own_rows(120, model=f"m{model}", seed=model)
        for row, difficulty in zip(rows, hard, strict=True):
            row["preference"] = 1.0 + float(rng.random() < 1 / (1 + np.exp(-difficulty)))
        rng.shuffle(rows)
        paths.append(tmp_path / f"{model}.json")
        paths[-1].write_text(json.dumps(rows))
    results = evaluation.evaluate_files(paths, Options(bootstrap=0), joint=True)
    for result in results:
        assert result.length_controlled.weights["difficulty"] > 0.3
        assert any("estimated from the other files" in warning for warning in result.warnings)


def test_joint_difficulty_needs_one_set(own_rows, tmp_path):
    paths = []
    for n in (20, 20, 21):
        paths.append(tmp_path / f"{len(paths)}.json")
        paths[-1].write_text(json.dumps(own_rows(n)))
    with pytest.raises(InputError, match="same instructions in every file"):
        evaluation.evaluate_files(paths, joint=True)
