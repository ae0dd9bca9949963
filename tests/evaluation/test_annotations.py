import gzip
import json

import numpy as np
import pytest

from gammapo import evaluation
from gammapo.errors import InputError
from gammapo.types import Judgement


def test_plain_zipped_and_line_files_read_alike(own_rows, tmp_path):
    rows = own_rows(5)
    plain, zipped, lines = (tmp_path / name for name in ("a.json", "a.json.gz", "a.jsonl"))
    plain.write_text(json.dumps(rows))
    zipped.write_bytes(gzip.compress(json.dumps(rows).encode()))
    lines.write_text("\n".join(json.dumps(row) for row in rows))
    read = [evaluation.read_annotations(path) for path in (plain, zipped, lines)]
    assert read[0].instructions == read[1].instructions == read[2].instructions
    assert read[0].generator == "ours"
    assert read[0].reference == "base"
    assert read[0].model_lengths.tolist() == [len(row["output_2"]) for row in rows]


def test_nulls_become_nan_and_zero_a_draw(own_rows, make_file):
    rows = own_rows(3)
    rows[0]["preference"], rows[1]["preference"] = None, 0
    read = evaluation.read_annotations(make_file(rows))
    assert np.isnan(read.preferences[0])
    assert read.preferences[1] == 1.5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"preference": "1.5"}, "preference: the column is a str"),
        ({"preference": True}, "preference: the column is a bool"),
        ({"output_2": None}, "output_2: the column is a NoneType"),
        ({"instruction": 3}, "instruction: the column is a int"),
    ],
)
def test_a_wrong_cell_is_named_with_row_and_column(own_rows, make_file, change, message):
    rows = own_rows(3)
    rows[1].update(change)
    path = make_file(rows)
    with pytest.raises(InputError, match=message) as caught:
        evaluation.read_annotations(path)
    assert str(caught.value).startswith(f"{path}: row 2: ")
    path.write_text("\n" + "\n\n".join(map(json.dumps, rows)))
    with pytest.raises(InputError, match=f"annotations.json:4: {message}"):
        evaluation.read_annotations(path)


def test_a_missing_column_is_named(own_rows, make_file):
    rows = own_rows(2)
    del rows[0]["preference"], rows[1]["generator_1"]
    with pytest.raises(InputError, match="1: preference: the column is missing"):
        evaluation.read_annotations(make_file(rows))
    with pytest.raises(InputError, match="1: generator_1: the column is missing"):
        evaluation.read_annotations(make_file(rows[1:]))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no rows"),
        ("[]", "holds no rows"),
        ("3", "holds a int"),
        ('["a"]', "1: a row is a str"),
        ('[{"instruction": ', "not valid JSON"),
        ('{"a": 1}\n{"a": ', "2: not valid JSON"),
        ('{"a": 1}', "holds a dict"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_no_judgement_file_is_refused(tmp_path, text, message):
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        evaluation.read_annotations(path)


def test_broken_bytes_are_refused(tmp_path):
    cut = tmp_path / "cut.json.gz"
    cut.write_bytes(gzip.compress(bytes(range(256)) * 20)[:-20])
    latin = tmp_path / "latin.json"
    latin.write_bytes('["é"]'.encode("latin-1"))
    for path in (cut, latin):
        with pytest.raises(InputError, match="cannot be read as text"):
            evaluation.read_annotations(path)
    with pytest.raises(InputError, match="no such file"):
        evaluation.read_annotations(tmp_path / "nowhere.json")


def test_a_byte_order_mark_and_an_endless_integer_are_survived(own_rows, tmp_path):
    rows = own_rows(2)
    rows[0]["preference"] = 10**400
    path = tmp_path / "bom.json"
    path.write_text("\ufeff" + json.dumps(rows))
    assert evaluation.read_annotations(path).invalid == (0,)


def test_judgements_in_memory_are_the_same_thing():
    judgement = Judgement(
        instruction="q", output_1="a", output_2="bb", generator_1="base", generator_2="ours", preference=None
    )
    read = evaluation.from_judgements([judgement])
    assert (read.outputs, read.generator, len(read)) == (("bb",), "ours", 1)
    assert np.isnan(read.preferences[0])


def test_unicode_line_ends_stay_inside_a_row(own_rows, tmp_path):
    path = tmp_path / "rows.jsonl"
    rows = [row | {"output_2": "one\u2028two\u0085three"} for row in own_rows(2)]
    path.write_text("\r\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    assert set(evaluation.read_annotations(path).outputs) == {"one\u2028two\u0085three"}


def test_json_lines_of_one_line(own_rows, tmp_path):
    path = tmp_path / "one.jsonl"
    path.write_text(json.dumps(own_rows(1)[0]) + "\n")
    assert len(evaluation.read_annotations(path)) == 1


def test_half_a_character_is_read_and_evaluated(own_rows, make_file):
    rows = own_rows(20)
    rows[3]["instruction"] = rows[3]["output_2"] = "cut in a smile \ud83d"
    (found,) = evaluation.evaluate_files([make_file(rows)], evaluation.Options(bootstrap=0))
    assert found.win_rate.n_total == 20


def test_a_line_nested_too_deeply_is_named(own_rows, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(own_rows(1)[0]) + "\n" + "[" * 100_000)
    with pytest.raises(InputError, match="a.jsonl:2: is nested too deeply"):
        evaluation.read_annotations(path)


def test_an_integer_too_long_to_be_read_is_named(own_rows, tmp_path):
    row, path = json.dumps(own_rows(1)[0]), tmp_path / "a.json"
    endless = row[:-1] + ', "n": ' + "9" * 5000 + "}"
    for text, place in ((f"[{endless}]", "a.json: "), (f"{row}\n{endless}", "a.json:2: ")):
        path.write_text(text)
        with pytest.raises(InputError, match=f"{place}holds an integer of more than 4300 digits"):
            evaluation.read_annotations(path)


@pytest.mark.parametrize("content", ['{"m": {"win_rate": 50}}', "[]", "[5]", '[{"instruction": "a"}]'])
def test_what_is_no_file_of_judgements_comes_with_a_mend(tmp_path, content):
    path = tmp_path / "a.json"
    path.write_text(content)
    with pytest.raises(InputError, match="To mend it: "):
        evaluation.read_annotations(path)
