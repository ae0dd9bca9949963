"""Parts put together are the set, in its order and number."""

import json

import pytest

from gammapo.errors import InputError
from gammapo.generation import load_prompts
from gammapo.workspace.shards import merge_outputs, write_shards


@pytest.fixture
def prompts(tmp_path):
    rows = [{"instruction": f"question {index}", "dataset": f"d{index % 2}"} for index in range(7)]
    path = tmp_path / "set.json"
    path.write_text(json.dumps(rows))
    return path


def answer(shards, folder):
    """What `gammapo generate` leaves for each part."""
    done = []
    for index, shard in enumerate(shards):
        rows = [
            {"instruction": item.instruction, "output": f"to {item.instruction}", "generator": "x"}
            for item in load_prompts(shard).items
        ]
        path = folder / f"outputs-{index}.json"
        path.write_text(json.dumps(rows))
        done.append(path)
    return done


@pytest.mark.parametrize("count", [1, 3, 7, 20])
def test_round_trip(prompts, tmp_path, count):
    shards = write_shards(prompts, tmp_path / "parts", count)
    assert len(shards) == min(count, 7)
    sizes = [len(load_prompts(shard).items) for shard in shards]
    assert max(sizes) - min(sizes) <= 1
    out = tmp_path / "out.json"
    assert merge_outputs(prompts, answer(shards, tmp_path), out, generator="me") == 7
    rows = json.loads(out.read_text())
    assert [row["instruction"] for row in rows] == [f"question {index}" for index in range(7)]
    assert rows[3] == {
        "dataset": "d1",
        "instruction": "question 3",
        "output": "to question 3",
        "generator": "me",
    }


def test_a_missing_or_misplaced_part_is_said(prompts, tmp_path):
    parts = answer(write_shards(prompts, tmp_path / "parts", 2), tmp_path)
    with pytest.raises(InputError, match="answers to 7 prompts"):
        merge_outputs(prompts, parts[:1], tmp_path / "out.json", generator="me")
    with pytest.raises(InputError, match="row 1"):
        merge_outputs(prompts, parts[::-1], tmp_path / "out.json", generator="me")
    assert not (tmp_path / "out.json").exists()


def test_what_is_read_is_never_written_over(prompts, tmp_path):
    text = prompts.read_text()
    parts = answer(write_shards(prompts, tmp_path / "parts", 2), tmp_path)
    for output in (prompts, parts[1]):
        with pytest.raises(InputError, match="is the input"):
            merge_outputs(prompts, parts, output, generator="me", overwrite=True)
    own = tmp_path / "parts/prompts-1.jsonl"
    with pytest.raises(InputError, match="prompts-1.jsonl: is the input"):
        write_shards(own, tmp_path / "parts", 2)
    assert prompts.read_text() == text
    assert len(load_prompts(tmp_path / "parts/prompts-0.jsonl").items) == 4


@pytest.mark.parametrize("content", ['[{"a": 1}]', '{"a": 1}', "[1]"])
def test_a_part_that_holds_no_answers_is_named(prompts, tmp_path, content):
    (tmp_path / "part.json").write_text(content)
    with pytest.raises(InputError, match="part.json"):
        merge_outputs(prompts, [tmp_path / "part.json"], tmp_path / "out.json", generator="me")
