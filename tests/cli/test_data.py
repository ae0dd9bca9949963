"""`gammapo data describe`: a table, one JSON object, exit 2 with the place of a fault."""

import json

import pytest


@pytest.fixture
def run(run):
    return lambda *arguments: run("data", "describe", *arguments)


@pytest.fixture
def path(tmp_path):
    rows = [{"prompt": "a", "chosen": "yes " * i, "rejected": "no"} for i in range(4)]
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_json_is_one_object(run, path, tiny_model_dir):
    code, out, _ = run(path, "--model", tiny_model_dir, "--format", "json")
    found = json.loads(out)
    assert code == 0
    assert found["report"]["shape"] == "text"
    assert found["report"]["dropped"] == {"empty_answer": 1}
    assert [token["text"] for token in found["preview"]["rejected"] if token["loss"]][-1] == "<|end|>"


def test_table_shows_shape_lengths_and_marked_tokens(run, path, tiny_model_dir):
    code, out, _ = run(path, "--model", tiny_model_dir)
    assert code == 0
    for part in ("shape", "text", "1  empty answer", "logarithmic", "⟦", "<|end|>⟧"):
        assert part in out


def test_the_split_and_an_id_in_brackets_are_shown(run, tmp_path, tiny_model_dir):
    from datasets import Dataset, DatasetDict

    rows = [{"id": "[row/1]", "prompt": "a", "chosen": "yes", "rejected": "no"}]
    DatasetDict({"train_prefs": Dataset.from_list(rows)}).save_to_disk(tmp_path / "saved")
    code, out, err = run(tmp_path / "saved", "--split", "train_prefs", "--model", tiny_model_dir)
    assert code == 0, err
    assert f"{tmp_path / 'saved'} [train_prefs]" in out
    assert "Pair [row/1] through" in out


def test_bad_input_exits_2(run, tmp_path):
    empty = tmp_path / "empty.jsonl"
    empty.write_text("")
    for source in (empty, tmp_path / "none.jsonl"):
        code, out, err = run(source)
        assert (code, out) == (2, "")
        assert str(source) in err
