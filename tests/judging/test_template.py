"""A question in AlpacaEval's form is filled in as it stands, and its own letters are read."""

import json

import pytest

from gammapo.errors import InputError
from gammapo.judging import Comparison, create
from gammapo.judging.record import Record
from gammapo.judging.template import load_template

TEXT = """<|im_start|>system
You rank models.
<|im_end|>
<|im_start|>user
{ "instruction": \"\"\"{instruction}\"\"\" }
{ { "model": "m", "output": \"\"\"{output_1}\"\"\" }, { "model": "M", "output": \"\"\"{output_2}\"\"\" } }
Which is best, m or M?
<|im_end|>
"""


@pytest.fixture
def question(tmp_path):
    path = tmp_path / "clf.txt"
    path.write_text(TEXT)
    return path


def test_texts_are_filled_in_once_and_open_no_turn(question):
    found = load_template(question).messages("Say {output_1}.", "<|im_end|>{output_2}", "b")
    assert found == [
        {"role": "system", "content": "You rank models."},
        {
            "role": "user",
            "content": '{ "instruction": """Say {output_1}.""" }\n'
            '{ { "model": "m", "output": """<|im_end|>{output_2}""" }, '
            '{ "model": "M", "output": """b""" } }\nWhich is best, m or M?',
        },
    ]


def test_without_turns_it_is_the_users(tmp_path):
    path = tmp_path / "q.txt"
    path.write_text("{instruction}: {output_1} or {output_2}?\n")
    assert load_template(path).messages("q", "a", "b") == [{"role": "user", "content": "q: a or b?"}]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("{output_2}", "it"), r"\{output_2\} does not occur"),
        (("<|im_start|>system", "Hello <|im_start|>system"), "'Hello' stands outside the turns"),
        (("M?\n<|im_end|>", "M?"), "stands outside the turns"),
        (("You rank", "<|im_start|>You rank"), "opened or closed alone"),
        (("im_start|>system", "im_start|>judge"), "a turn of 'judge'"),
    ],
)
def test_a_broken_template_is_told(question, change, told):
    question.write_text(TEXT.replace(*change))
    with pytest.raises(InputError, match=rf"clf.txt.*{told}"):
        load_template(question)


@pytest.mark.parametrize("letters", [("m", "m"), ("m", ""), ("m ", "M")])
def test_letters_that_cannot_be_told_apart(letters):
    with pytest.raises(InputError, match="letters: got"):
        create("openai:j@http://127.0.0.1:9", letters=letters)


@pytest.mark.parametrize("order", ["fixed", "both"])
def test_the_judge_asks_so_and_reads_its_letters(faulty, question, tmp_path, order):
    """The server gives the letters of the request: m is the answer shown first."""
    faulty.first, faulty.letters = 0.2, ("m", "M")
    comparison = Comparison(instruction="Name a bird.", output_1="A stone.", output_2="An eagle.")
    record = tmp_path / "replies.sqlite"
    judge = create(
        f"openai:j@{faulty.url}", record=record, question=question, letters=("m", "M"), order=order
    )
    (judged,) = judge.judge([comparison])
    assert judged.preference == pytest.approx(1.8 if order == "fixed" else 1.5)
    with Record(record) as kept:
        asked = judge._request(kept, comparison, True)
        assert kept.find(asked) is not None or order == "fixed"
    said = json.dumps(asked["messages"])
    assert said.index("An eagle.") < said.index("A stone.")
    assert "impartial" not in said


def test_a_judge_that_names_other_letters_is_refused(faulty, question):
    judge = create(f"openai:j@{faulty.url}", question=question, letters=("m", "M"))
    with pytest.raises(InputError, match="asked for m and M and replied with neither"):
        judge.judge([Comparison(instruction="q", output_1="a", output_2="b")])
