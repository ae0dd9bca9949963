"""The rows that a resumed run finds in its own files."""

import json

import pytest

from gammapo.errors import InputError
from gammapo.training.trainer import read_rows, rewind_rows


def test_rows_with_unicode_line_ends_are_read_and_rewound(tmp_path):
    """Sampled answers hold U+2028 and their like, which are written as they are."""
    path = tmp_path / "samples.jsonl"
    rows = [{"step": step, "output": "one\u2028two\u0085three"} for step in (1, 2, 3)]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    assert read_rows(path) == rows
    rewind_rows(path, 2)
    assert read_rows(path) == rows[:2]
    assert path.read_bytes().count(b"\n") == 2


def test_no_file_is_no_rows(tmp_path):
    rewind_rows(tmp_path / "none.jsonl", 1)
    assert read_rows(tmp_path / "none.jsonl") == []


def test_a_line_that_a_kill_cut_short_is_left_out(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"step": 2}\n{"st')
    assert read_rows(path) == [{"step": 1}, {"step": 2}]
    rewind_rows(path, 2)
    assert read_rows(path) == [{"step": 1}, {"step": 2}]
    assert path.read_bytes().endswith(b"}\n")
    path.write_text('{"st\n{"step": 2}\n')
    with pytest.raises(InputError, match="metrics.jsonl:1: not valid JSON"):
        read_rows(path)
