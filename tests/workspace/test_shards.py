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
