"""A user's own noise: by module:attribute, as the documentation's example shows it."""

import re
from pathlib import Path

import pytest

from gammapo import noise
from gammapo.errors import InputError

DOCS = Path(__file__).parents[2] / "docs" / "noise.md"


def test_the_documented_example_runs(make_pair, tmp_path, monkeypatch):
    example = re.search(r"```python title=\"flattery.py\"\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert example is not None
    assert len(example[1].strip().splitlines()) <= 10
    (tmp_path / "flattery.py").write_text(example[1])
    monkeypatch.syspath_prepend(str(tmp_path))
    pairs = [make_pair(i, rejected="Great question! No." if i < 4 else "No.") for i in range(10)]
    done = noise.corrupt(pairs, "flattery:flattery", rate=0.4, seed=0)
    assert done.manifest.flipped == {"p000", "p001", "p002", "p003"}
    with pytest.raises(InputError, match="can change 4 of the 10"):
        noise.corrupt(pairs, "flattery:flattery", rate=0.5, seed=0)
    with pytest.raises(InputError, match="expected 'word'"):
        noise.corrupt(pairs, "flattery:flattery", rate=0.1, seed=0, wort="Nice")


def test_what_is_no_noise_is_refused():
    with pytest.raises(InputError, match="cannot load 'nowhere:nothing'"):
        noise.get("nowhere:nothing")
    with pytest.raises(InputError, match="is str"):
        noise.get("string:digits")


def test_every_kind_has_a_summary_and_the_name_of_its_file():
    for name in noise.names():
        kind = noise.get(name)
        assert kind.name == name
        assert kind.summary
