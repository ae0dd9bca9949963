"""Every kind of rule, its weight and its condition, and what bad files say."""

import json
from pathlib import Path

import pytest

from gammapo.errors import InputError
from gammapo.judging import create, create_scorer
from gammapo.judging.rules import KINDS, sentences, words
from gammapo.types import Message

ASK = [Message(role="user", content="Write a poem about the sea")]
EXAMPLES = {
    "matches": (r"\bsea\b", "the sea", "season"),
    "not_matches": ("(?i)as an ai", "hello", "As an AI, I"),
    "includes": (["River", "sea"], "a river to the SEA", "a river"),
    "includes_any": (["river", "sea"], "the sea", "a hill"),
    "excludes": ("sorry", "fine", "I am Sorry"),
    "starts_with": ("Dear", " Dear you", "oh Dear"),
    "ends_with": (".", "done. ", "done"),
    "equals": ("yes", " yes\n", "yes."),
    "min_words": (2, "two words", "one"),
    "max_words": (2, "don't stop", "one two three"),
    "min_characters": (3, "abc", "ab"),
    "max_characters": (3, "abc", "abcd"),
    "min_sentences": (2, "One. Two", "One."),
    "max_sentences": (1, "It is 3.5 km.", "One. Two."),
    "json": (True, '{"a": 1}', "{a: 1}"),
}


def scorer(tmp_path, rules):
    path = tmp_path / "rules.yaml"
    path.write_text(rules if isinstance(rules, str) else json.dumps({"rules": rules}))
    return create_scorer(f"rules:{path}")


def test_every_kind_has_an_example_and_is_documented():
    assert EXAMPLES.keys() == KINDS.keys()
    text = (Path(__file__).parents[2] / "docs" / "judging.md").read_text()
    listed = text.partition("\nKinds: ")[2].partition(". ")[0]
    assert [name.strip("` ") for name in listed.split(",")] == list(KINDS)


@pytest.mark.parametrize("kind", EXAMPLES)
def test_kind(tmp_path, kind):
    value, kept, broken = EXAMPLES[kind]
    assert scorer(tmp_path, [{kind: value}]).score([ASK, ASK], [kept, broken]) == [1.0, 0.0]


def test_weights_and_conditions(tmp_path):
    rules = """
    rules:
      - {min_words: 2, weight: 3}
      - {includes: sea}
      - {excludes: rain, when: "(?i)POEM", weight: 4}
      - {matches: never, when: letter}
    """
    assert scorer(tmp_path, rules).score([ASK] * 3, ["the sea", "sea", "rain falls"]) == [1.0, 5 / 8, 3 / 8]
    other = [Message(role="user", content="hello")]
    assert scorer(tmp_path, rules).score([other], ["rain falls"]) == [3 / 4]
    assert scorer(tmp_path, [{"json": True, "when": "letter"}]).score([ASK], ["x"]) == [1.0]


def test_counts():
    assert words("It's 3.5 well-made — ok!") == 4
    assert sentences("One. Two! Three? four") == 4
    assert sentences("  ") == 0


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ("rules: [{max_wrods: 3}]", "rules[1].max_wrods: unknown kind of rule; expected 'max_words'"),
        (
            "rules: [{json: true}, {max_words: many}]",
            "rules[2].max_words: got 'many'; expected a whole number",
        ),
        ("rules: [{matches: '('}]", "rules[1].matches: got '('; expected a regular expression"),
        ("rules: [{json: true, min_words: 1}]", "rules[1]: holds 2 kinds of rule"),
        ("rules: [{weight: 2}]", "rules[1]: holds 0 kinds of rule"),
        ("rules: [{json: true, weight: 0}]", "rules[1].weight: got 0"),
        ("rules: [{matches: 'a{99999999999}'}]", "rules[1].matches: got 'a{99999999999}'; expected a reg"),
        (f"rules: [{{json: true, weight: 1{'0' * 400}}}]", "rules[1].weight: got 1000"),
        ("rules: [{json: true, when: '['}]", "rules[1].when: got '['"),
        ("rules: [{includes: []}]", "rules[1].includes: got []"),
        ("rules: [short]", "rules[1]: holds str"),
        ("nothing: 1", "rules: holds no rules"),
        ("rules:\n  - {json: true\n", "not valid YAML"),
    ],
)
def test_bad_rules_say_where(tmp_path, rules, said):
    with pytest.raises(InputError) as error:
        scorer(tmp_path, rules)
    assert said in str(error.value)
    assert "rules.yaml" in str(error.value)


def test_as_a_judge(tmp_path):
    from gammapo.judging import Comparison

    (tmp_path / "r.json").write_text('[{"includes": "sea"}]')
    comparisons = [
        Comparison(instruction="x", output_1=first, output_2=second)
        for first, second in (("hill", "sea"), ("sea", "hill"), ("sea", "the sea"))
    ]
    judged = create(f"rules:{tmp_path / 'r.json'}").judge(comparisons)
    assert [one.preference for one in judged] == [2.0, 1.0, 1.5]
    assert (judged[0].extra["score_1"], judged[0].extra["score_2"]) == (0.0, 1.0)


def test_equal_weights_are_a_draw_however_they_are_cut(tmp_path):
    """0.1 + 0.2 is no 0.3 in floating point, and the greater score of the two would win."""
    rules = [
        {"includes": "a", "weight": 0.1},
        {"includes": "b", "weight": 0.2},
        {"includes": "c", "weight": 0.3},
    ]
    two, one = scorer(tmp_path, rules).score([ASK] * 2, ["a b", "c"])
    assert two == one == 0.5


def test_numbers_that_json_does_not_have_are_no_json(tmp_path):
    made = scorer(tmp_path, [{"json": True}])
    assert made.score([ASK] * 4, ["NaN", '{"a": -Infinity}', "9" * 5000, "[1.5]"]) == [0, 0, 1, 1]


def test_thousands_of_brackets_are_no_json(tmp_path):
    assert scorer(tmp_path, [{"json": True}]).score([ASK], ["[" * 100_000]) == [0.0]
