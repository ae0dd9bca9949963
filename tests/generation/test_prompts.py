"""Sets of prompts from every source, and what is wrong with bad ones."""

import gzip
import json

import pytest

from gammapo.errors import InputError
from gammapo.generation import load_prompts
from gammapo.types import Message


def test_lines(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("first\n\n  second \n", encoding="utf-8")
    items = load_prompts(path).items
    assert [item.instruction for item in items] == ["first", "second"]
    assert items[0].messages == (Message(role="user", content="first"),)
    assert items[0].dataset == "mine"


@pytest.mark.parametrize("lines", [False, True])
def test_instructions_keep_order_number_and_dataset(tmp_path, lines):
    rows = [{"dataset": "d1", "instruction": "b"}, {"dataset": "d2", "instruction": "a", "output": "x"}] * 2
    path = tmp_path / "set.json"
    path.write_text("\n".join(map(json.dumps, rows)) if lines else json.dumps(rows))
    items = load_prompts(path).items
    assert [(item.instruction, item.dataset) for item in items] == [("b", "d1"), ("a", "d2")] * 2
    assert len(load_prompts(path, limit=3).items) == 3


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", '\ufeff{"instruction": "a"}\n{"instruction": "b"}\n'),
        ("a.jsonl", '\n \n{"instruction": "a"}\n\n{"instruction": "b"}\n'),
        ("a.jsonl", '\ufeff\n{"instruction": "a"}\n{"instruction": "b"}\n'),
        ("a.json", '\ufeff[{"instruction": "a"},\n{"instruction": "b"}]'),
        ("a.txt", "\ufeffa\nb\n"),
    ],
)
def test_a_byte_order_mark_and_empty_lines_before_the_first_are_no_prompt(tmp_path, name, content):
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    assert [item.instruction for item in load_prompts(path).items] == ["a", "b"]


def test_a_bad_line_keeps_its_number_after_empty_ones(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('\n{"instruction": "a"}\n\n{"instruction": \n')
    with pytest.raises(InputError, match="a.jsonl:4: broken JSON"):
        load_prompts(path)


def test_pairs_with_many_turns(tmp_path):
    turns = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
    ]
    path = tmp_path / "pairs.jsonl"
    rows = [
        {
            "prompt": turns,
            "chosen": [{"role": "assistant", "content": "a"}],
            "rejected": [{"role": "assistant", "content": "b"}],
        },
        {
            "prompt": turns[1:],
            "chosen": [{"role": "assistant", "content": "c"}],
            "rejected": [{"role": "assistant", "content": "d"}],
        },
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    first, second = load_prompts(path).items
    assert first.instruction == "System: Be brief.\n\nUser: Hi"
    assert [message.role for message in first.messages] == ["system", "user"]
    assert (second.instruction, second.dataset) == ("Hi", "pairs")


def test_the_alpaca_eval_set(shared_data):
    prompts = load_prompts(shared_data / "alpaca_eval" / "reference_outputs_gpt4_1106_preview.json.gz")
    assert len(prompts.items) == 805
    assert prompts.items[0].dataset == "helpful_base"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('[{"instruction": "a"}, {"instruction": ""}]', ":2: instruction: is empty"),
        ('[{"instruction": "a"}, {"text": "b"}]', ":2: instruction: no column 'instruction' among text"),
        ('{"instruction": "a"}\n{"instruction": \n', ":2: broken JSON"),
        ('[{"instruction": "a", "messages": ["x"]}]', ":1: messages[0]: a message is str"),
        ('[{"instruction": "a", "messages": []}]', ":1: messages: is empty"),
        (
            '[{"instruction": "a", "messages": [{"role": "user", "content": null}]}]',
            ":1: messages[0].content: is null",
        ),
        ('[{"instruction": "Add up", "input": "1 2"}]', ":1: input: the row has an input beside"),
        ('[{"instruction": "cut \\ud83d"}]', ":1: instruction: holds half of a surrogate pair"),
        ('[{"instruction": "x", "dataset": "cut \\ud83d"}]', ":1: dataset: holds half of a surrogate pair"),
        ('{"instruction": "x"}\n' + "[" * 50_000 + "]" * 50_000, ":2: JSON that cannot be read: it nests"),
        (
            '{"instruction": "x"}\n{"instruction": "y", "id": ' + "9" * 5000 + "}",
            ":2: JSON that cannot be read: Exceeds",
        ),
    ],
)
def test_bad_rows_are_named(tmp_path, content, problem):
    path = tmp_path / "set.json"
    path.write_text(content)
    with pytest.raises(InputError) as error:
        load_prompts(path)
    assert f"{path}{problem}" in str(error.value)


def test_an_empty_set_and_a_missing_file(tmp_path):
    (tmp_path / "none.txt").write_text("\n")
    with pytest.raises(InputError, match="holds no prompt"):
        load_prompts(tmp_path / "none.txt")
    with pytest.raises(InputError):
        load_prompts(tmp_path / "absent.json")


def test_an_input_that_goes_unread_is_not_missed(tmp_path):
    path = tmp_path / "set.json"
    rows = [{"instruction": "Add up 1 2", "input": "1 2"}, {"instruction": "a", "input": "", "dataset": None}]
    path.write_text(json.dumps(rows))
    assert [item.dataset for item in load_prompts(path).items] == ["set", "set"]


def test_zipped_lines(tmp_path):
    path = tmp_path / "mine.txt.gz"
    path.write_bytes(gzip.compress(b"first\nsecond\n"))
    items = load_prompts(path).items
    assert [(item.instruction, item.dataset) for item in items] == [("first", "mine"), ("second", "mine")]


def test_a_single_file_has_no_splits(tmp_path):
    path = tmp_path / "set.json"
    path.write_text('[{"instruction": "x"}]')
    with pytest.raises(InputError, match="set.json: split: a single file has no split 'test'"):
        load_prompts(path, split="test")


@pytest.mark.parametrize("name", ["Mine.TXT", "Mine.JSON"])
def test_names_in_capitals_say_the_same(tmp_path, name):
    path = tmp_path / name
    path.write_text("a cat\n" if name.endswith("TXT") else '[{"instruction": "a cat"}]')
    (item,) = load_prompts(path).items
    assert (item.instruction, item.dataset) == ("a cat", "Mine")


def test_prompts_alone_come_from_every_kind_of_source(tmp_path):
    """Named by the user's text, or by a transcript of many turns; the set is named by the file."""
    import pyarrow
    import pyarrow.parquet as parquet

    rows = [{"prompt": "first"}, {"prompt": "second"}]
    folder = tmp_path / "hub"
    folder.mkdir()
    text = "".join(json.dumps(row) + "\r\n" for row in rows)
    (folder / "train.jsonl").write_text(text)
    (tmp_path / "set.jsonl").write_text(text)
    (tmp_path / "set.jsonl.gz").write_bytes(gzip.compress(text.encode()))
    (tmp_path / "set.csv").write_text("prompt\nfirst\nsecond\n")
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "set.parquet")
    for name in ("hub", "set.jsonl", "set.jsonl.gz", "set.csv", "set.parquet"):
        items = load_prompts(tmp_path / name).items
        assert [item.instruction for item in items] == ["first", "second"], name
        assert len(load_prompts(tmp_path / name, limit=1).items) == 1
    assert items[0].dataset == "set"
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    (tmp_path / "set.jsonl").write_text(json.dumps({"messages": turns}))
    (item,) = load_prompts(tmp_path / "set.jsonl").items
    assert item.instruction == "System: Be brief.\n\nUser: Hi"


def test_a_bad_pair_among_prompts_is_not_offered_a_way_to_be_left_out(tmp_path):
    """`generate`, `sample-pairs` and `audit --eval` have none."""
    path = tmp_path / "pairs.jsonl"
    path.write_text('{"prompt": "a", "chosen": "b", "rejected": null}\n')
    with pytest.raises(InputError, match="pairs.jsonl:1: rejected: is null.*mend or remove the row$"):
        load_prompts(path)


def test_a_set_without_a_name_is_not_the_folder_that_one_stands_in():
    with pytest.raises(InputError, match="'': no such file"):
        load_prompts("")
