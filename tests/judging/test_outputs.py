"""Two outputs files to comparisons; files that do not belong together."""

import json

import pytest

from gammapo.errors import InputError
from gammapo.judging import annotation_rows, pair_outputs


def write(path, instructions, name="m", **changes):
    rows = [{"instruction": i, "output": f"{name}:{i}", "generator": name} for i in instructions]
    for key, values in changes.items():
        for number, value in values.items():
            rows[number][key] = value
    path.write_text(json.dumps(rows))
    return path


@pytest.fixture
def reference(tmp_path):
    return write(tmp_path / "ref.json", "abcd", "r", dataset={0: "d0"})


def test_joined_by_instruction_in_the_references_order(tmp_path, reference):
    found = pair_outputs(write(tmp_path / "m.json", "dbca"), reference)
    assert [(one.instruction, one.output_1, one.output_2) for one in found] == [
        (i, f"r:{i}", f"m:{i}") for i in "abcd"
    ]
    assert (found[0].dataset, found[0].generator_1, found[0].generator_2) == ("d0", "r", "m")


def test_repeated_instructions_are_matched_one_by_one(tmp_path):
    reference = write(tmp_path / "ref.json", "aab", "r", output={0: "first", 1: "second"})
    found = pair_outputs(write(tmp_path / "m.json", "aba", output={0: "1st", 2: "2nd"}), reference)
    assert [(one.output_1, one.output_2) for one in found[:2]] == [("first", "1st"), ("second", "2nd")]


@pytest.mark.parametrize(
    ("instructions", "changes", "said"),
    [
        ("wxyz", {}, "m.json: answers another set: none of its 4 instructions"),
        ("abcdx", {}, "1 rows answer instructions that"),
        ("abcdd", {}, "1 rows answer instructions that"),
        ("ab", {}, "lacks 2 of the 4 instructions of"),
        ("abcd", {"generator": {1: "n"}}, "generator: mixes 2 generators: m (3), n (1)"),
        ("abcd", {"messages": {1: ["hi"]}}, "m.json: row 2: messages: is no message list"),
        ("abcd", {"output": {2: None}}, "m.json: row 3: output: is missing or no text"),
        ("abcd", {"output": {1: "cut \ud83d"}}, "m.json: row 2: output: holds half a character"),
        ("abcd", {"generator": {2: "m\ud800"}}, "m.json: row 3: generator: holds half a character"),
        ("abcd", {"dataset": {3: "\udfff"}}, "m.json: row 4: dataset: holds half a character"),
        (
            "abcd",
            {"messages": {0: [{"role": "user", "content": "\ud800"}]}},
            "m.json: row 1: messages: holds half a character",
        ),
    ],
)
def test_files_that_do_not_belong_together_are_refused(tmp_path, reference, instructions, changes, said):
    with pytest.raises(InputError) as error:
        pair_outputs(write(tmp_path / "m.json", instructions, **changes), reference)
    assert said in str(error.value)


def test_partial_judges_what_is_there(tmp_path, reference):
    assert len(pair_outputs(write(tmp_path / "m.json", "cb"), reference, partial=True)) == 2


def test_an_annotations_file_is_told_apart(tmp_path, reference):
    path = tmp_path / "a.json"
    path.write_text(json.dumps([{"instruction": "a", "output_1": "x", "output_2": "y"}]))
    with pytest.raises(InputError, match="this is an annotations file"):
        pair_outputs(path, reference)


def test_rows_are_alpaca_evals(tmp_path, reference):
    found = pair_outputs(write(tmp_path / "m.json", "abcd"), reference)
    [row] = annotation_rows([found[0].judged(1.75, "judge", note="x")])
    assert row == {
        "dataset": "d0",
        "instruction": "a",
        "output_1": "r:a",
        "generator_1": "r",
        "output_2": "m:a",
        "generator_2": "m",
        "annotator": "judge",
        "preference": 1.75,
        "note": "x",
    }


@pytest.mark.parametrize("row", [5, None, "text", ["a"]])
def test_rows_that_are_no_objects_are_refused(tmp_path, reference, row):
    path = tmp_path / "m.json"
    path.write_text(json.dumps([row]))
    with pytest.raises(InputError, match="m.json: row 1: instruction: is missing or no text"):
        pair_outputs(path, reference)


def test_messages_of_null_are_none(tmp_path, reference):
    path = write(tmp_path / "m.json", "abcd", messages={0: None})
    assert pair_outputs(path, reference)[0].messages == ()


def test_names_of_null_are_missing_names(tmp_path, reference):
    nulls = dict.fromkeys(range(4))
    path = write(tmp_path / "m.json", "abcd", generator=nulls, dataset=nulls)
    found = pair_outputs(path, path)[0]
    assert (found.generator_1, found.generator_2, found.dataset) == ("reference", "model", "")
