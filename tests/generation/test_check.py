"""Every fault that an outputs file can have against its set."""

import json

import pytest

from gammapo.errors import InputError
from gammapo.generation import check_outputs, load_prompts


def report(tmp_path, instructions, **changes):
    (tmp_path / "set.txt").write_text("a\nb\nc\nd\n")
    rows = [{"instruction": text, "output": "fine", "generator": "m"} for text in instructions]
    for key, values in changes.items():
        for number, value in values.items():
            rows[number][key] = value
    (tmp_path / "outputs.json").write_text(json.dumps(rows))
    return check_outputs(tmp_path / "outputs.json", load_prompts(tmp_path / "set.txt"))


def kinds(found):
    return {(fault.kind, fault.count, fault.rows) for fault in found.faults}


def test_a_whole_file(tmp_path):
    found = report(tmp_path, "abcd")
    assert found.good
    assert found.faults == ()


@pytest.mark.parametrize(
    ("instructions", "expected"),
    [
        ("abd", {("missing instructions", 1, (3,))}),
        ("abcdd", {("repeated instructions", 1, (5,))}),
        ("acbd", {("instructions out of order", 2, (2, 3))}),
        ("abxd", {("missing instructions", 1, (3,)), ("instructions that the set does not have", 1, (3,))}),
        ("abbd", {("missing instructions", 1, (3,)), ("repeated instructions", 1, (3,))}),
    ],
)
def test_grave_faults(tmp_path, instructions, expected):
    found = report(tmp_path, instructions)
    assert not found.good
    assert kinds(found) == expected


def test_empty_and_cut_outputs_are_notes(tmp_path):
    found = report(tmp_path, "abcd", output={1: "  "}, finish_reason={0: "stop", 2: "length", 3: "length"})
    assert found.good
    assert kinds(found) == {("empty outputs", 1, (2,)), ("outputs cut at the length limit", 2, (3, 4))}


def test_mixed_generators(tmp_path):
    found = report(tmp_path, "abcd", generator={2: "n"})
    assert kinds(found) == {("rows of another generator", 1, (3,))}
    assert not found.good


def test_no_outputs_file(tmp_path):
    with pytest.raises(InputError, match=r"outputs.json:2: output: is missing or no text"):
        report(tmp_path, "ab", output={1: None})
