"""Rows that only ask, by column; pairs are none of them; what is wrong with a row is placed."""

import json

import pytest

from gammapo.data.prompts import read_prompts
from gammapo.errors import InputError
from gammapo.types import Message

SYSTEM = {"role": "system", "content": "Be brief."}
USER = {"role": "user", "content": "Name a bird."}
YES = {"role": "assistant", "content": "A wren."}


def jsonl(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def asked(path):
    """What every row asks, of a file that holds no pairs."""
    found = read_prompts(path)
    assert found is not None
    return list(found)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"prompt": "Name a bird."}, [USER]),
        ({"prompt": [USER]}, [USER]),
        ({"prompt": [SYSTEM, USER, YES, USER]}, [SYSTEM, USER, YES, USER]),
        ({"prompt": "Name a bird.", "system": "Be brief."}, [SYSTEM, USER]),
        ({"prompt": "\n\nHuman: Name a bird.\n\nAssistant:"}, [USER]),
        ({"prompt": "Name a bird.", "response": "A wren.", "tools": None, "images": []}, [USER]),
        ({"messages": [SYSTEM, {**USER, "tool_calls": None}]}, [SYSTEM, USER]),
        ({"instruction": "Name a bird.", "output": "A wren.", "input": ""}, [USER]),
        ({"instruction": "a transcript", "messages": [SYSTEM, USER]}, [SYSTEM, USER]),
        ({"instruction": "Name a bird.", "messages": None, "system": "Be brief."}, [SYSTEM, USER]),
    ],
)
def test_each_column_says_its_turns(row, said, tmp_path):
    (one,) = asked(jsonl(tmp_path / "a.jsonl", row))
    assert one.messages == tuple(Message(**turn) for turn in said)
    assert one.instruction == row.get("instruction")


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "a", "chosen": "b", "rejected": "c"},
        {"chosen": [USER, YES], "rejected": [USER, YES]},
        {"instruction": "a", "output_1": "b", "output_2": "c", "preference": 1},
    ],
)
def test_pairs_are_left_to_their_own_reader(row, tmp_path):
    assert read_prompts(jsonl(tmp_path / "a.jsonl", row)) is None


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"prompt": None}, "prompt: is null"),
        ({"prompt": 3}, "prompt: holds int"),
        ({"prompt": " "}, "prompt: is empty"),
        ({"prompt": []}, "prompt: is empty"),
        ({"prompt": [USER, YES]}, 'prompt: ends with a turn of the assistant; expected "user" last'),
        ({"prompt": [{"role": "user", "content": None}]}, r"prompt\[0\].content: is null"),
        ({"prompt": str([USER])}, "prompt: holds a message list written as text"),
        ({"prompt": "a", "tools": [{"name": "f"}]}, "tools: is not read"),
        ({"prompt": "a", "dataset": "\ud83d"}, "dataset: holds half of a surrogate"),
        ({"messages": [USER]}, "prompt: no column 'prompt' among messages"),
        ("text", "the row is str; expected an object"),
        (None, "the row is NoneType"),
    ],
)
def test_a_bad_row_is_named(row, said, tmp_path):
    path = jsonl(tmp_path / "a.jsonl", {"prompt": "good"}, row)
    with pytest.raises(InputError, match=f"a.jsonl:2: {said}.*To mend it"):
        asked(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            '{"question": "a"}',
            "1: no column of prompts among question; .*rename the column 'question' to prompt",
        ),
        ('{"conversations": []}', "1: no column of prompts among conversations; .*to messages if"),
        ("{}", "1: no column of prompts among none"),
        ('["a", "b"]', "1: the row is str"),
        ("Tell me a joke.\n", "1: broken JSON.*a prompt a line is to be named .txt"),
    ],
)
def test_a_file_that_does_not_ask_is_told_how(content, said, tmp_path):
    (tmp_path / "a.md").write_text(content)
    with pytest.raises(InputError, match=f"a.md:{said}"):
        asked(tmp_path / "a.md")


def test_a_transcript_is_turns_only_where_the_first_row_is_one(tmp_path):
    quoted = "\n\nHuman: a\n\nAssistant:"
    first, second = asked(jsonl(tmp_path / "a.jsonl", {"prompt": "What is this?"}, {"prompt": quoted}))
    assert second.messages == (Message(role="user", content=quoted),)
    assert first.messages[0].content == "What is this?"
