"""Repaired files: suspects flipped or dropped, in file order, every change recorded."""

import json

import pytest

from gammapo.audit import audit_run, evidence, write_repaired
from gammapo.data import load_pairs
from gammapo.errors import InputError


@pytest.fixture
def found(make_run, some, pair):
    from dataclasses import replace

    run = make_run(some(0.3), pairs=300)
    pairs = [replace(pair(f"p{i}", f"a{i}", f"b{i}"), origin=f"pairs.jsonl:{i}") for i in range(300)]
    return audit_run(
        "runs/x", evidence(run.ids, run.steps, run.gaps), pairs, flipped=run.flipped, resamples=2
    )


def judged(found):
    return sorted((one.pair for one in found.suspects), key=lambda pair: int(pair.id[1:]))


def test_flip_mends_most_labels(found, tmp_path):
    done = write_repaired(
        found, tmp_path / "fixed.jsonl", how="flip", above=0.5, marker="abc", pairs=judged(found)
    )
    again = load_pairs(done.file)
    suspects = {one.pair.id for one in found.suspects if one.probability > 0.5}
    assert [pair.id for pair in again.pairs] == [f"p{i}" for i in range(300)]
    assert {pair.id for pair in again.pairs if pair.chosen.startswith("b")} == suspects
    assert again.report.noise_marker == "abc"
    assert (done.changed, done.kept) == (len(suspects), 300)
    assert done.right is not None
    assert done.right > 0.8 * done.changed
    record = json.loads(done.record.read_text())
    assert {one["id"] for one in record["changed"]} == suspects


def test_drop_leaves_them_out(found, tmp_path):
    done = write_repaired(found, tmp_path / "fixed.jsonl.gz", how="drop", above=0.9, pairs=judged(found))
    assert len(load_pairs(done.file).pairs) == done.kept == 300 - done.changed
    assert done.record.name == "fixed.repaired.json"


@pytest.mark.parametrize("how", ["flip", "drop"])
def test_pairs_that_were_not_judged_stay_as_they_are(found, tmp_path, pair, how):
    """A run that ended before its first epoch did, or pairs too long for it, must not thin out the file."""
    from dataclasses import replace

    more = [replace(pair(f"q{i}", f"a{i}", f"c{i}"), origin=f"pairs.jsonl:{300 + i}") for i in range(5)]
    done = write_repaired(found, tmp_path / "fixed.jsonl", how=how, above=0.5, pairs=[*judged(found), *more])
    again = load_pairs(done.file).pairs
    assert [(one.id, one.chosen) for one in again[-5:]] == [(f"q{i}", f"a{i}") for i in range(5)]
    assert len(again) == done.kept == 305 - (done.changed if how == "drop" else 0)


def test_faults_are_named(found, tmp_path):
    for how, above, message in (
        ("swap", 0.5, "how: unknown 'swap'"),
        ("flip", 1.5, "above: is 1.5"),
        ("drop", 0.0, "every pair would be dropped"),
    ):
        with pytest.raises(InputError, match=message):
            write_repaired(found, tmp_path / "fixed.jsonl", how=how, above=above, pairs=judged(found))
    (tmp_path / "fixed.jsonl").write_text("mine")
    with pytest.raises(InputError, match="already exists"):
        write_repaired(found, tmp_path / "fixed.jsonl", how="flip", above=0.5, pairs=judged(found))


def test_the_audited_file_and_other_formats_are_never_written(found, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pairs.jsonl").write_text("mine")
    with pytest.raises(InputError, match="is the input"):
        write_repaired(
            found, tmp_path / "pairs.jsonl", how="flip", above=0.5, overwrite=True, pairs=judged(found)
        )
    assert (tmp_path / "pairs.jsonl").read_text() == "mine"
    with pytest.raises(InputError, match="the name says otherwise"):
        write_repaired(found, tmp_path / "fixed.parquet", how="flip", above=0.5, pairs=judged(found))


def test_a_record_that_cannot_be_written_leaves_no_file_without_it(found, tmp_path):
    (tmp_path / "fixed.repaired.json").mkdir()
    with pytest.raises(InputError, match=r"fixed.repaired.json: cannot be written"):
        write_repaired(
            found, tmp_path / "fixed.jsonl", how="flip", above=0.5, overwrite=True, pairs=judged(found)
        )
    assert not (tmp_path / "fixed.jsonl").exists()


def test_pairs_are_written_in_the_order_in_which_they_are_given(found, tmp_path):
    """A mixture has an order of its own, of which a limit takes the first."""
    mixed = judged(found)[::-1]
    done = write_repaired(found, tmp_path / "fixed.jsonl", how="flip", above=0.5, pairs=mixed)
    assert [pair.id for pair in load_pairs(done.file).pairs] == [pair.id for pair in mixed]
