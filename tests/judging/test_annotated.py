"""Looking judgements up, either way round."""

import json

import pytest

from gammapo.errors import InputError
from gammapo.judging import Comparison, create

ROWS = [
    {"instruction": "a", "output_1": "p", "output_2": "q", "preference": 1.25, "annotator": "gpt"},
    {"instruction": "b", "output_1": "p", "output_2": "q", "preference": None},
    {"instruction": "c", "output_1": "p", "output_2": "q", "preference": 0},
]


@pytest.fixture
def path(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(ROWS))
    return tmp_path / "a.json"


def test_lookup_turns_swapped_rows(path):
    asked = [("a", "p", "q"), ("a", "q", "p"), ("b", "p", "q"), ("b", "q", "p"), ("c", "p", "q")]
    comparisons = [Comparison(instruction=i, output_1=one, output_2=two) for i, one, two in asked]
    judged = create(f"annotations:{path}").judge(comparisons)
    assert [one.preference for one in judged] == [1.25, 1.75, None, None, 1.5]
    assert judged[0].annotator == "gpt"


def test_what_is_not_there_is_counted(path):
    comparisons = [Comparison(instruction=i, output_1="p", output_2="q") for i in "axb"]
    with pytest.raises(InputError, match="1 of 3 comparisons are not in it, first row 2"):
        create(f"annotations:{path}").judge(comparisons)


@pytest.mark.parametrize(("key", "value"), [("preference", v) for v in (3, "good", True, False)])
def test_bad_preferences_are_named(path, key, value):
    path.write_text(json.dumps([ROWS[0], {**ROWS[1], key: value}]))
    with pytest.raises(InputError, match=f"a.json: row 2: {key}: got {value!r}"):
        create(f"annotations:{path}")


def test_rows_without_text_are_refused(path):
    path.write_text(json.dumps([{**ROWS[0], "output_1": ["p"]}]))
    with pytest.raises(InputError, match="a.json: row 1: output_1: is a list; expected text"):
        create(f"annotations:{path}")


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(map(json.dumps, ROWS)),
        "\n\n".join(map(json.dumps, ROWS)) + "\n",
        json.dumps(ROWS, indent=2),
        json.dumps({"annotations": ROWS}),
        json.dumps({"annotations": ROWS}, indent=2),
    ],
    ids=["lines", "lines with gaps", "list", "object", "object over lines"],
)
def test_the_forms_of_a_file_that_winrate_reads(path, text):
    path.write_text(text)
    comparisons = [Comparison(instruction=i, output_1="p", output_2="q") for i in "abc"]
    assert [one.preference for one in create(f"annotations:{path}").judge(comparisons)] == [1.25, None, 1.5]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (json.dumps(ROWS[0]) + "\n{cut", "a.json:2: not valid JSON"),
        ("[1, 2", "a.json:1: not valid JSON"),
        ("[]", "holds no rows"),
        ('{"annotations": {}}', "holds no rows"),
        (
            json.dumps([{**ROWS[0], "annotator": "half \ud800"}]),
            "a.json: row 1: annotator: holds half a character",
        ),
    ],
)
def test_files_that_hold_no_annotations(path, text, said):
    path.write_text(text)
    with pytest.raises(InputError, match=said):
        create(f"annotations:{path}")


def test_real_annotations(shared_data):
    from gammapo.files import read_json

    path = shared_data / "alpaca_eval" / "annotations" / "phi-2.json.gz"
    rows = read_json(path)
    keys = ("instruction", "output_1", "output_2", "generator_1", "generator_2")
    judged = create(f"annotations:{path}").judge([Comparison(**{k: row[k] for k in keys}) for row in rows])
    assert [one.preference for one in judged] == [row["preference"] for row in rows]


def test_nan_is_pandas_null(path):
    path.write_text(json.dumps([{**ROWS[0], "preference": float("nan")}]))
    [judged] = create(f"annotations:{path}").judge([Comparison(instruction="a", output_1="p", output_2="q")])
    assert judged.preference is None


def test_two_annotators_who_disagree_are_not_told_apart_by_their_order(path):
    path.write_text(json.dumps([ROWS[0], ROWS[0], {**ROWS[0], "preference": 2.0, "annotator": "claude"}]))
    with pytest.raises(
        InputError, match=r"a.json: row 3: preference: got 2.0, and an earlier row .* as 1.25"
    ):
        create(f"annotations:{path}")


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({"preference": 3}, "preference: got 3; expected a number in"),
        ({"preference": 2.0}, "preference: got 2.0, and an earlier row"),
        ({"output_2": None}, "output_2: is a NoneType; expected text"),
        ({"annotator": "half \ud800"}, "annotator: holds half a character"),
    ],
)
def test_a_bad_row_is_named_by_its_line_in_json_lines_and_by_its_number_in_a_list(path, bad, said):
    """Lines that are empty, and a list written over many lines, make two things of line and row."""
    rows = [ROWS[1], ROWS[0], {**ROWS[0], **bad}]
    path.write_text("\n\n" + "\n\n".join(map(json.dumps, rows)))
    with pytest.raises(InputError, match=f"a.json:7: {said}"):
        create(f"annotations:{path}")
    for form in (rows, {"annotations": rows}):
        path.write_text(json.dumps(form, indent=2))
        with pytest.raises(InputError, match=f"a.json: row 3: {said}"):
            create(f"annotations:{path}")


def test_a_row_that_is_no_object_is_told(path):
    path.write_text(json.dumps([ROWS[0], 5]))
    with pytest.raises(InputError, match="a.json: row 2: holds a int; expected an annotation. To mend it: "):
        create(f"annotations:{path}")
    path.write_text(json.dumps(ROWS[0]) + "\n\n5\n")
    with pytest.raises(InputError, match="a.json:3: holds a int"):
        create(f"annotations:{path}")
