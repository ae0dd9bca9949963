"""Mixtures: shares exact, nested, no pair twice, no path out of the folder."""

import json

import pytest

from gammapo import files
from gammapo.data import Source, fingerprint, inputs_of, load_pairs, mix_pairs, source_sha256, sources_of
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
        ({"sources": weighted(1, -1)}, r"mix.yaml: sources\[1\].weight: is -1"),
        ({"sources": weighted(1, 1), "pairs": 61}, "mix.yaml: pairs: is 61; expected at most 60"),
        ({"sources": weighted(1, 1), "pairs": 0}, "mix.yaml: pairs: is 0; expected at least 1"),
        ({"sources": [{"path": "a.jsonl", "split": 5}]}, r"mix.yaml: sources\[0\].split: is 5; expected"),
        ({"seed": "x"}, "seed: is 'x'"),
        ({"sources": [{"path": "../secret.jsonl"}]}, "leads out of the folder"),
        ({"sources": [{"path": "/etc/passwd"}]}, "leads out of the folder"),
        ({"sources": [{"path": "missing.jsonl"}]}, "missing.jsonl: no such file"),
    ],
)
def test_faults_are_named(folder, change, message):
    with pytest.raises(InputError, match=message):
        mix(folder, **change)


def test_a_split_of_the_whole_is_refused(folder):
    mix(folder)
    with pytest.raises(InputError, match=r"mix.yaml: split: a mixture has no split 'train'.*path: …, split"):
        load_pairs(folder / "mix.yaml", split="train")


def test_a_limit_counts_and_names_what_is_kept(folder):
    whole = mix(folder)
    for limit in (0, -1):
        with pytest.raises(InputError, match=f"limit: is {limit}; expected at least 1"):
            load_pairs(folder / "mix.yaml", limit=limit)
    five, ten, all_of_it = (load_pairs(folder / "mix.yaml", limit=limit) for limit in (5, 10, 1000))
    assert (five.pairs, ten.pairs, all_of_it.pairs) == (whole.pairs[:5], whole.pairs[:10], whole.pairs)
    for loaded in (five, ten, all_of_it):
        assert loaded.report.pairs == len(loaded.pairs)
        assert loaded.report.fingerprint == fingerprint(loaded.pairs)


def test_what_a_mixture_reads_is_listed(folder):
    sources = ["a.jsonl", {"path": "owner/name", "split": "train_prefs"}]
    (folder / "mix.yaml").write_text(json.dumps({"sources": sources}))
    assert sources_of(folder / "mix.yaml") == [
        Source(path=str(folder / "a.jsonl")),
        Source(path="owner/name", split="train_prefs"),
    ]
    assert sources_of("owner/name", "test") == [Source(path="owner/name", split="test")]


def test_a_mixture_is_named_by_its_data_not_by_its_words(folder):
    def named():
        path = folder / "mix.yaml"
        return source_sha256(path, load_pairs(path).report.fingerprint)

    mix(folder)
    first = named()
    path = folder / "mix.yaml"
    path.write_text("# the same sources\n" + path.read_text())
    assert named() == first
    rows = [json.loads(line) for line in (folder / "b.jsonl").read_text().splitlines()]
    rows[3]["chosen"] = "indeed"
    (folder / "b.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert named() != first
    mix(folder, seed=1)
    assert named() != first
    assert source_sha256(folder / "a.jsonl", "any") == files.sha256(folder / "a.jsonl")
    assert source_sha256("owner/name", "any") == "any"


def test_not_yaml(folder):
    (folder / "mix.yaml").write_text("sources: [")
    with pytest.raises(InputError, match="not valid YAML"):
        load_pairs(folder / "mix.yaml")


def test_a_mixture_is_no_source_of_another_or_of_itself(folder):
    with pytest.raises(InputError, match=r"mix.yaml: sources\[1\].path: .*mix.yaml is itself a mixture"):
        mix(folder, sources=[{"path": "a.jsonl"}, {"path": "mix.yaml"}])
    with pytest.raises(InputError, match=r"sources\[0\].path: .* is itself a mixture"):
        mix_pairs([Source(path=str(folder / "mix.yaml"))])


def test_a_configuration_of_a_folder_is_a_source_like_any(folder):
    (folder / "hub").mkdir()
    configs = "configs:\n" + "".join(f"- {{config_name: {one}, data_files: {one}.jsonl}}\n" for one in "xy")
    (folder / "hub" / "README.md").write_text(f"---\n{configs}---\n")
    for name in "xy":
        row = {"prompt": name, "chosen": "yes", "rejected": "no"}
        (folder / "hub" / f"{name}.jsonl").write_text(json.dumps(row))
    loaded = mix(folder, sources=["hub:x", "hub:y"])
    assert sorted(pair.prompt[0].content for pair in loaded.pairs) == ["x", "y"]
    assert inputs_of(folder / "mix.yaml") == [str(folder / name) for name in ("mix.yaml", "hub", "hub")]
    with pytest.raises(InputError, match="the path '../hub:x' leads out"):
        mix(folder, sources=["../hub:x"])
