"""A key that stands twice, a date that is none: said, with the line where it is known."""

import pytest

from gammapo.errors import InputError
from gammapo.strict_yaml import dump, parse


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "'a' stands twice"),
        ("training:\n  seed: 1\n  seed: 2\n", 3, "'seed' stands twice"),
        ("rules:\n  - {max_words: 5, max_words: 500}\n", 2, "'max_words' stands twice"),
        ("a: 1\nb: [1\nc: 2\n", 3, "expected"),
        ("when: 2024-02-30\n", None, "day is out of range"),
        ("? [1, 2]\n: 3\n", 1, "unhashable key"),
    ],
)
def test_what_is_not_meant_is_refused(text, line, problem):
    with pytest.raises(InputError, match=problem) as error:
        parse(text)
    assert error.value.line == line


def test_what_is_meant_is_read():
    assert parse("") is None
    assert parse('{"a": [1, 2.5, null]}') == {"a": [1, 2.5, None]}
    assert parse("base: &b {x: 1, y: 2}\nown:\n  <<: *b\n  x: 3\n")["own"] == {"x": 3, "y": 2}
    assert str(parse("2024-02-28")) == "2024-02-28"


@pytest.mark.parametrize(
    ("text", "value"),
    [("5e-7", 5e-7), ("1E3", 1000.0), ("-.5e+1", -5.0), ("2.e2", 200.0), ("1e-1", 0.1), ("1.5", 1.5)],
)
def test_a_number_is_one_with_or_without_a_point(text, value):
    found = parse(text)
    assert found == value
    assert isinstance(found, float)


@pytest.mark.parametrize("text", ["e5", "1e", "5e-7x", "1e5 e", "0x1e5", "ab1e5", '"5e-7"', "2024-01e5"])
def test_what_only_looks_like_a_number_is_none(text):
    assert not isinstance(parse(text), float)


def test_what_is_written_is_read_back_as_it_was():
    content = {"b": ["5e-7", "20240501", "1.5", "no", "é"], "a": {"x": 5e-7, "y": None, "z": True, "n": 3}}
    assert parse(dump(content)) == content
    assert list(parse(dump(content))) == ["b", "a"]
