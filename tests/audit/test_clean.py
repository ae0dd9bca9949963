"""The cleaned file holds the rest, and the record every pair left out with every reason."""

import json
from dataclasses import replace

import pytest

from gammapo.audit import audit_pairs, write_clean
from gammapo.audit.before import DROPPABLE
from gammapo.audit.clean import record_path
from gammapo.data import Drop, load_pairs
from gammapo.errors import InputError


@pytest.fixture
def report(pair, loaded):
    pairs = [
        pair("1", "Yes.", "No."),
        pair("2", "No.", "Yes."),
        pair("3", "I cannot help with that.", "Here it is."),
        pair("4", "Good.", "Bad.", prompt="other"),
    ]
    done = loaded(*pairs)
    done.report.dropped.append(
        Drop(origin="pairs.jsonl:9", reason="empty_answer", problem="chosen: is empty")
    )
    done.report.noise_marker = "abc"
    return audit_pairs(done)


def test_kept_and_dropped_add_up(report, tmp_path):
    cleaned = write_clean(report, tmp_path / "clean.jsonl", ["contradiction", "refusal"])
    again = load_pairs(cleaned.file)
    assert [pair.id for pair in again.pairs] == ["4"]
    assert again.report.noise_marker == "abc"
    assert cleaned.dropped == {"contradiction": 2, "refusal": 1, "empty_answer": 1}
    record = json.loads(cleaned.record.read_text())
    assert cleaned.record == record_path(cleaned.file) == tmp_path / "clean.dropped.json"
    assert [one["id"] for one in record["dropped"]] == ["1", "2", "3"]
    assert record["dropped"][0]["why"] == ["contradiction: with pairs.jsonl:2"]
    assert [one["origin"] for one in record["unusable"]] == ["pairs.jsonl:9"]


def test_faults_are_named_and_nothing_is_overwritten(report, tmp_path):
    with pytest.raises(InputError, match="unknown check 'refusals'; expected 'refusal'"):
        write_clean(report, tmp_path / "clean.jsonl", ["refusals"])
    only = replace(report, pairs=report.pairs[:2])
    with pytest.raises(InputError, match="every pair would be dropped"):
        write_clean(only, tmp_path / "clean.jsonl", ["contradiction"])
    record_path(tmp_path / "clean.jsonl").write_text("mine")
    with pytest.raises(InputError, match="already exists"):
        write_clean(report, tmp_path / "clean.jsonl", ["refusal"])
    assert not (tmp_path / "clean.jsonl").exists()


def test_the_audited_file_is_never_the_output(report, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where the report's source would lie, and the file that its pairs name
    for source, said in (("pairs.jsonl", "pairs.jsonl"), ("mixture.yaml", "pairs.jsonl")):
        (tmp_path / "pairs.jsonl").write_text("clean")
        report.load.source = source
        with pytest.raises(InputError, match=f"{said}: is the input"):
            write_clean(report, tmp_path / "pairs.jsonl", ["refusal"], overwrite=True)
    assert (tmp_path / "pairs.jsonl").read_text() == "clean"


@pytest.mark.parametrize("name", ["clean.csv", "clean.json", "clean"])
def test_json_lines_go_under_no_other_name(report, tmp_path, name):
    with pytest.raises(InputError, match=r"ends in \.jsonl"):
        write_clean(report, tmp_path / name, ["refusal"])
    assert not list(tmp_path.iterdir())


def test_a_record_that_cannot_be_written_leaves_no_file_without_it(report, tmp_path):
    record_path(tmp_path / "clean.jsonl").mkdir()
    with pytest.raises(InputError, match=r"clean.dropped.json: cannot be written"):
        write_clean(report, tmp_path / "clean.jsonl", ["refusal"], overwrite=True)
    assert not (tmp_path / "clean.jsonl").exists()


def test_what_can_be_dropped_is_what_the_audit_finds(pair, tmp_path):
    path = tmp_path / "some.jsonl"
    path.write_text('{"prompt": "a", "chosen": "b", "rejected": "c"}\n')
    names = {one.name for one in audit_pairs(load_pairs(path)).findings}
    assert set(DROPPABLE) == names - {"unusable", "length_bias"}
