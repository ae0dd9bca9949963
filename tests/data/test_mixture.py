"""Mixtures: shares exact, nested, no pair twice, no path out of the folder."""

import json

import pytest

from gammapo.data import Source, load_pairs, mix_pairs
from gammapo.errors import InputError


@pytest.fixture
def folder(tmp_path):
    for name, count in (("a", 60), ("b", 30)):
        rows = [{"prompt": f"{name} {i}", "chosen": f"yes {i}", "rejected": f"no {i}"} for i in range(count)]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def mix(folder, **other):
    path = folder / "mix.yaml"
    path.write_text(json.dumps({"sources": [{"path": "a.jsonl"}, {"path": "b.jsonl"}], **other}))
    return load_pairs(path)


def shares(pairs):
    names = [pair.prompt[0].content[0] for pair in pairs]
    return names.count("a"), names.count("b")


def weighted(a, b):
    return [{"path": "a.jsonl", "weight": a}, {"path": "b.jsonl", "weight": b}]


def test_without_weights_all_pairs_in_mixed_order(folder):
    loaded = mix(folder)
    assert shares(loaded.pairs) == (60, 30)
    assert 10 < shares(loaded.pairs[:45])[1] < 20
    assert (loaded.report.rows, loaded.report.pairs, loaded.report.shape) == (90, 90, "text")


def test_weights_are_shares_and_no_pair_comes_twice(folder):
    loaded = mix(folder, sources=weighted(1, 1))
    assert shares(loaded.pairs) == (30, 30)  # b's 30 are half of it
    assert shares(mix(folder, sources=weighted(3, 1)).pairs) == (60, 20)
    assert len({pair.id for pair in loaded.pairs}) == 60


def test_a_smaller_mixture_is_part_of_a_larger_one(folder):
    large = mix(folder, sources=weighted(1, 1), pairs=50).pairs
    small = mix(folder, sources=weighted(1, 1), pairs=20).pairs
    assert shares(small) == (10, 10)
    assert {pair.id for pair in small} < {pair.id for pair in large}
    other = mix(folder, sources=weighted(1, 1), pairs=20, seed=1).pairs
    assert {pair.id for pair in small} != {pair.id for pair in other}


def test_from_python(folder):
    loaded = mix_pairs(
        [Source(path=str(folder / "a.jsonl"), weight=1), Source(path=str(folder / "b.jsonl"), weight=2)]
    )
    assert shares(loaded.pairs) == (15, 30)
    twice = mix_pairs([Source(path=str(folder / "a.jsonl"))] * 2)
    assert len({pair.id for pair in twice.pairs}) == 120


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sources": []}, "sources: names no sources"),
        ({"sources": [{"weight": 1}]}, r"sources\[0\]: names no path"),
        ({"sources": [{"path": "a.jsonl", "wieght": 1}]}, "expected 'weight'"),
        ({"source": []}, "unknown key 'source'"),
        ({"sources": weighted(1, None)}, r"sources\[1\].weight: is None"),
        ({"sources": weighted(1, -1)}, r"sources\[1\].weight: is -1"),
        ({"sources": weighted(1, 1), "pairs": 61}, "pairs: is 61; expected at most 60"),
        ({"seed": "x"}, "seed: is 'x'"),
        ({"sources": [{"path": "../secret.jsonl"}]}, "leads out of the folder"),
        ({"sources": [{"path": "/etc/passwd"}]}, "leads out of the folder"),
        ({"sources": [{"path": "missing.jsonl"}]}, "missing.jsonl: no such file"),
    ],
)
def test_faults_are_named(folder, change, message):
    with pytest.raises(InputError, match=message):
        mix(folder, **change)


def test_not_yaml(folder):
    (folder / "mix.yaml").write_text("sources: [")
    with pytest.raises(InputError, match="not valid YAML"):
        load_pairs(folder / "mix.yaml")


def test_a_mixture_is_no_source_of_another_or_of_itself(folder):
    with pytest.raises(InputError, match=r"mix.yaml: sources\[1\].path: .*mix.yaml is itself a mixture"):
        mix(folder, sources=[{"path": "a.jsonl"}, {"path": "mix.yaml"}])
    with pytest.raises(InputError, match=r"sources\[0\].path: .* is itself a mixture"):
        mix_pairs([Source(path=str(folder / "mix.yaml"))])
