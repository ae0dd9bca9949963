"""What makes a stored result stale: other arithmetic, not other words."""

import sys

import pytest

from gammapo.benchmark.fingerprint import source_hash

CODE = '''"""{words}"""


def loss(gap):  # {words}
    """{words}"""
    return {factor} * gap
'''


@pytest.fixture
def hashed(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)

    def write(name, **parts):
        (tmp_path / f"{name}.py").write_text(CODE.format(**parts))
        sys.modules.pop(name, None)
        return source_hash(name)

    return write


def test_words_change_nothing_and_numbers_do(hashed):
    first = hashed("first_made", words="a margin", factor=2)
    assert hashed("other_words", words="a target margin", factor=2) == first
    assert hashed("other_number", words="a margin", factor=3) != first


def test_imported_formulas_count():
    assert source_hash("gammapo.losses.re_simpo") != source_hash("gammapo.losses.re_dpo")
    assert source_hash("gammapo.losses.re_simpo") != source_hash(
        "gammapo.losses.re_simpo", "gammapo.losses.dpo"
    )
