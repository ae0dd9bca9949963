import json

import numpy as np
import pytest

from gammapo import evaluation
from gammapo.errors import InputError
from gammapo.evaluation.evaluate import Options

FAST = Options(bootstrap=200)


def read(files, *names):
    return [evaluation.read_annotations(files[name]) for name in names]


def test_clear_and_unclear_pairs_are_told_apart(annotation_files):
    models = ("vicuna-7b-v1.5", "claude-2.1", "FuseChat-Llama-3.2-1B-Instruct")
    result = evaluation.compare(read(annotation_files, *models), options=FAST)
    assert [s.name for s in result.standings][2] == "vicuna-7b-v1.5"
    by_pair = {frozenset((v.first, v.second)): v for v in result.verdicts}
    near = by_pair[frozenset(models[1:])]
    assert not near.clear
    assert "cannot be told from" in near.sentence
    far = by_pair[frozenset(models[:2])]
    assert far.sentence.startswith("claude-2.1 beats vicuna-7b-v1.5 by 17.")
    assert far.p_holm >= far.difference.p_value
    json.dumps(result.as_dict(), allow_nan=False)


def test_raw_win_rates_agree_with_the_paired_t_test(annotation_files):
    from scipy import stats

    a, b = read(annotation_files, "alpaca-7b", "gemma-2b-it")
    result = evaluation.compare([a, b], metric="wr", options=Options(bootstrap=3000))
    (verdict,) = result.verdicts
    assert verdict.difference.p_value == pytest.approx(
        stats.ttest_rel(a.preferences, b.preferences).pvalue, abs=0.02
    )
    assert verdict.difference.estimate == pytest.approx(100 * (b.preferences - a.preferences).mean())


def test_only_common_instructions_count_and_the_rest_is_said_aloud(annotation_files):
    result = evaluation.compare(read(annotation_files, "claude-2.1", "text_davinci_001"), options=FAST)
    assert result.n_common == 803
    assert any("claude-2.1: 2 rows are not judged in every file" in w for w in result.warnings)


def test_row_order_does_not_matter(annotation_files):
    a, b = read(annotation_files, "alpaca-7b", "gemma-2b-it")
    shuffled = b.take(np.random.default_rng(0).permutation(len(b)).tolist())
    one, two = (evaluation.compare([a, other], metric="wr", options=FAST) for other in (b, shuffled))
    assert one.verdicts == two.verdicts


def test_a_suspect_winner_is_called_suspect(annotation_files):
    result = evaluation.compare(read(annotation_files, "NullModel", "claude-2.1"), options=FAST)
    assert "but the outputs of example are suspect" in result.verdicts[0].sentence


def test_holm_runs_over_all_pairs(annotation_files):
    models = ("alpaca-7b", "gemma-2b-it", "phi-2", "vicuna-7b-v1.5")
    result = evaluation.compare(read(annotation_files, *models), options=FAST)
    raw = [v.difference.p_value for v in result.verdicts]
    assert [v.p_holm for v in result.verdicts] == pytest.approx(evaluation.holm(raw).tolist())
    assert len(raw) == 6


def test_what_cannot_be_compared_is_refused(own_rows, tmp_path):
    def file(name, rows):
        path = tmp_path / name
        path.write_text(json.dumps(rows))
        return evaluation.read_annotations(path)

    ours = file("a", own_rows())
    with pytest.raises(InputError, match="two or more files"):
        evaluation.compare([ours])
    other_reference = file("b", own_rows(reference="another"))
    with pytest.raises(InputError, match="different references: another, base"):
        evaluation.compare([ours, other_reference])
    elsewhere = own_rows()
    for row in elsewhere:
        row["instruction"] += " of another set"
    with pytest.raises(InputError, match="only 0 of 40 instructions are common"):
        evaluation.compare([ours, file("c", elsewhere)])


def test_two_files_of_one_model_are_named_by_file(own_rows, tmp_path):
    paths = [tmp_path / name for name in ("a.json", "b.json")]
    for seed, path in enumerate(paths):
        path.write_text(json.dumps(own_rows(seed=seed)))
    result = evaluation.compare([evaluation.read_annotations(path) for path in paths], options=FAST)
    assert {s.name for s in result.standings} == {f"ours ({path})" for path in paths}


def test_two_rows_prove_nothing(own_rows, make_file):
    paths = [make_file(own_rows(2, model=m, preference=p), f"{m}.json") for m, p in (("a", 2.0), ("b", 1.0))]
    files = [evaluation.read_annotations(path) for path in paths]
    found = evaluation.compare(files, metric="wr", options=FAST)
    assert found.verdicts[0].p_holm == 0.5
    assert found.verdicts[0].sentence.startswith("a cannot be told from b")
    assert "only 2 instructions are compared: the intervals are rough" in found.warnings


def test_one_instruction_is_no_comparison(tmp_path, own_rows):
    read = []
    for name in "ab":
        (tmp_path / f"{name}.json").write_text(json.dumps(own_rows(1, model=name)))
        read.append(evaluation.read_annotations(tmp_path / f"{name}.json"))
    with pytest.raises(InputError, match="1 instruction judged in every file; expected at least 2"):
        evaluation.compare(read, metric="wr", options=FAST)


def test_few_instructions_are_compared_by_the_t_test(tmp_path, own_rows):
    from scipy import stats

    read, preferences = [], ([2.0, 2, 1, 2, 1.5, 1, 2, 2], [1.0, 2, 1, 1, 1.5, 1, 1, 2])
    for name, values in zip("ab", preferences, strict=True):
        rows = own_rows(8, model=name)
        for row, value in zip(rows, values, strict=True):
            row["preference"] = value
        (tmp_path / f"{name}.json").write_text(json.dumps(rows))
        read.append(evaluation.read_annotations(tmp_path / f"{name}.json"))
    result = evaluation.compare(read, metric="wr", options=FAST)
    (verdict,) = result.verdicts
    assert verdict.difference.p_value == pytest.approx(stats.ttest_rel(*preferences).pvalue, rel=1e-9)
    assert {standing.interval.method for standing in result.standings} == {"t"}
