import json

import numpy as np
import pytest

from gammapo import evaluation
from gammapo.errors import InputError
from gammapo.evaluation.checks import KINDS


def checked(make_file, rows, **options):
    return evaluation.check(evaluation.read_annotations(make_file(rows)), **options)


def test_a_clean_file_raises_nothing(own_rows, make_file, annotation_files):
    assert checked(make_file, own_rows()).warnings == ()
    assert evaluation.check(evaluation.read_annotations(annotation_files["claude-2.1"])).warnings == ()


def spoilt(own_rows, kind):
    rows = own_rows(40)
    if kind == "invalid":
        rows[4]["preference"] = 3.0
    elif kind == "repeats":
        rows[9]["instruction"] = rows[2]["instruction"]
    elif kind == "mixed":
        rows[9]["generator_2"] = "someone else"
    elif kind == "nulls":
        for row in rows[:6]:
            row["preference"] = None
    return rows


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("invalid", "5: preference: 1 of 40 preferences lie outside"),
        ("repeats", r"10: instruction: 1 of 40 rows repeat.*row 10 repeats row 3"),
        ("mixed", r"10: generator_2: 2 generators are mixed: ours \(39\), someone else \(1\)"),
        ("nulls", "6 of 40 rows have no preference"),
    ],
)
def test_refused_by_default_and_warned_when_allowed(own_rows, make_file, kind, message):
    rows = spoilt(own_rows, kind)
    with pytest.raises(InputError, match=message + f".*--allow {kind}"):
        checked(make_file, rows)
    allowed = checked(make_file, rows, allow=[kind])
    assert len(allowed.warnings) == 1


def test_an_invalid_preference_is_not_averaged_when_allowed(own_rows, make_file):
    rows = spoilt(own_rows, "invalid")
    allowed = checked(make_file, rows, allow=["invalid"]).annotations
    assert np.isnan(allowed.preferences[4])
    assert evaluation.win_rate(allowed.preferences).n_total == 39


def test_a_few_nulls_are_warned_of(own_rows, make_file):
    rows = own_rows(40)
    rows[0]["preference"] = None
    assert checked(make_file, rows).warnings == ("1 of 40 rows have no preference and enter no average",)


def test_missing_instructions_of_the_official_set(annotation_files):
    full = evaluation.read_annotations(annotation_files["claude-2.1"])
    two_short = evaluation.read_annotations(annotation_files["phi-2"])
    assert "2 of the 805 instructions" in evaluation.check(two_short).warnings[0]
    half = full.take(range(400))
    with pytest.raises(InputError, match="405 of the 805 instructions.*are missing.*--allow missing"):
        evaluation.check(half)
    assert len(evaluation.check(half, allow=["missing"]).warnings) == 1


def test_instructions_of_another_set_among_the_official_ones(annotation_files, own_rows, make_file):
    import gzip
    import json

    rows = json.loads(gzip.decompress(annotation_files["alpaca-7b"].read_bytes()))
    rows[7]["instruction"] = "an instruction of another set"
    with pytest.raises(InputError, match="8: instruction: 1 of 805 instructions are not of the official"):
        checked(make_file, rows)


def test_a_set_of_ones_own_may_share_a_few_instructions(annotation_files, own_rows, make_file):
    rows = own_rows(40)
    rows[3]["instruction"] = evaluation.read_annotations(annotation_files["alpaca-7b"]).instructions[0]
    assert checked(make_file, rows).warnings == ()


def test_a_set_of_ones_own_is_held_against_the_set_given(own_rows, make_file):
    rows = own_rows(10)
    wanted = [row["instruction"] for row in rows]
    assert checked(make_file, rows, expected=wanted).warnings == ()
    with pytest.raises(InputError, match="1 of the 11 instructions of the given set are missing"):
        checked(make_file, rows, expected=[*wanted, "another"])
    with pytest.raises(InputError, match="10 of 10 instructions are not of the given set"):
        checked(make_file, rows, expected=["another"])


def test_the_wrong_reference(own_rows, make_file, annotation_files):
    with pytest.raises(InputError, match="the reference is 'base', not 'gpt4'"):
        checked(make_file, own_rows(), reference="gpt4")
    import gzip
    import json

    rows = json.loads(gzip.decompress(annotation_files["alpaca-7b"].read_bytes()))
    for row in rows[:100]:
        row["output_1"] = "something else"
    with pytest.raises(InputError, match="100 of 805 outputs of 'gpt4_1106_preview' are not the official"):
        checked(make_file, rows)
    swapped = own_rows(10, model="gpt4_1106_preview")
    assert "sides swapped" in checked(make_file, swapped).warnings[0]


def test_an_unknown_kind_names_the_nearest(own_rows, make_file):
    with pytest.raises(InputError, match="'repeat' is no kind of finding; expected 'repeats'"):
        checked(make_file, own_rows(), allow=["repeat"])
    assert len(KINDS) == 7


def test_a_finding_in_json_lines_is_named_by_its_line(own_rows, tmp_path):
    rows = own_rows(4)
    rows[2]["preference"] = 7
    path = tmp_path / "a.jsonl"
    path.write_text("\n\n".join(map(json.dumps, rows)))
    with pytest.raises(InputError, match="a.jsonl:5: preference: 1 of 4 preferences lie outside"):
        evaluation.check(evaluation.read_annotations(path))
    path.write_text("\n\n" + json.dumps(rows[2]))
    with pytest.raises(InputError, match="a.jsonl:3: preference: 1 of 1"):
        evaluation.check(evaluation.read_annotations(path))
