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


@pytest.fixture
def mixture(path, tmp_path):
    rows = [{"prompt": f"b{i}", "chosen": "yes", "rejected": "no"} for i in range(20)]
    (tmp_path / "more.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    mixture = tmp_path / "mix.yaml"
    mixture.write_text("sources: [pairs.jsonl, more.jsonl]")
    return mixture


def test_options_that_a_mixture_does_not_take_exit_2(run, mixture):
    for option, value, said in (("--split", "nonsense", "split: "), ("--limit", "-1", "limit: is -1")):
        code, out, err = run(mixture, option, value)
        assert (code, out) == (2, "")
        assert said in err


def test_the_limit_of_a_mixture_is_part_of_its_fingerprint(run, mixture):
    def report(*options):
        code, out, err = run(mixture, *options, "--format", "json")
        assert code == 0, err
        return json.loads(out)["report"]

    five, ten = report("--limit", "5"), report("--limit", "10")
    assert (five["pairs"], ten["pairs"]) == (5, 10)
    assert five["fingerprint"] != ten["fingerprint"]


def test_no_score_makes_the_numbers_unprintable(run, path):
    rows = [
        {"prompt": "a", "chosen": "yes", "rejected": "no", "score_chosen": 1e308, "score_rejected": -1e308}
    ]
    rows.append({"prompt": "b", "chosen": "yes", "rejected": "no", "score_chosen": 2, "score_rejected": 1})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    code, out, err = run(path, "--format", "json")
    assert code == 0, err
    assert json.loads(out)["score_gaps"]["median"] == 1
    assert "nan" not in run(path)[1]


@pytest.mark.parametrize("row", [{"id": "\ud800"}, {"\ud800": 1}, {"gammapo_noise": "\ud800"}])
def test_half_characters_are_counted_not_printed(run, path, row):
    path.write_text(path.read_text() + json.dumps({"prompt": "z", "chosen": "x", "rejected": "y"} | row))
    for options in ((), ("--format", "json")):
        code, _, err = run(path, *options)
        assert (code, err) == (0, "")
    path.write_text(json.dumps({"prompt": "z", "chosen": "x", "rejected": "y"} | row))
    code, _, err = run(path)
    assert (code, "half of a surrogate pair" in err) == (2, True)
