"""Each fault of a row: exit-2 error with file, line, field, expectation and mend; or a counted drop."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gammapo.data import REASONS, load_pairs
from gammapo.errors import InputError

GOOD = {"prompt": "Name a bird.", "chosen": "A wren.", "rejected": "A cat.", "score_chosen": 2.0}
USER = {"role": "user", "content": "Name a bird."}
YES = {"role": "assistant", "content": "A wren."}
NO = {"role": "assistant", "content": "A cat."}
TALK = {"prompt": "Name a bird.", "chosen": [USER, YES], "rejected": [USER, NO]}
HH = {"chosen": "\n\nHuman: a\n\nAssistant: b", "rejected": "\n\nHuman: a\n\nAssistant: c"}
VOTE = {"instruction": "a", "output_1": "b", "output_2": "c", "preference": 1.0}

FAULTS = {
    "null answer": (GOOD, {"chosen": None}, "null_value", "chosen: is null"),
    "numeric answer": (GOOD, {"rejected": 3}, "not_text", "rejected: holds int"),
    "missing column": (GOOD, {"chosen": ...}, "missing_column", "chosen: no column 'chosen'"),
    "no prompt": (GOOD, {"prompt": None}, "null_value", "prompt: is null"),
    "numeric prompt": (GOOD, {"prompt": 5}, "not_text", "prompt: holds int"),
    "blank prompt": (GOOD, {"prompt": " \n"}, "empty_prompt", "prompt: is empty"),
    "empty answer": (GOOD, {"rejected": "  "}, "empty_answer", "rejected: is empty"),
    "same answers": (GOOD, {"rejected": "A wren."}, "identical_answers", "rejected: is equal to chosen"),
    "NaN score": (GOOD, {"score_chosen": float("nan")}, "bad_score", "score_chosen: is 'nan'"),
    "infinite score": (GOOD, {"score_rejected": float("inf")}, "bad_score", "score_rejected: is 'inf'"),
    "text score": (GOOD, {"score_chosen": "7"}, "bad_score", "score_chosen: is '7'"),
    "huge score": (GOOD, {"score_chosen": 10**400}, "bad_score", "score_chosen: is '1000"),
    "half a surrogate": (GOOD, {"chosen": "a \ud800"}, "not_text", "chosen: holds half of a surrogate"),
    "score beyond a float32": (GOOD, {"score_chosen": 1e39}, "bad_score", "score_chosen: is '1e[+]39'"),
    "list id": (GOOD, {"id": [1]}, "bad_id", "id: holds list"),
    "half a surrogate in the id": (GOOD, {"id": "\ud800"}, "bad_id", "id: holds half of a surrogate"),
    "half a surrogate in a column": (GOOD, {"\ud800x": 1}, "bad_column", r"column '\\ud800x': holds half"),
    "half a surrogate in the mark": (
        GOOD,
        {"gammapo_noise": "\ud800"},
        "not_text",
        "gammapo_noise: holds half of a surrogate",
    ),
    "wrong role": (
        TALK,
        {"chosen": [{"role": "bot", "content": "x"}, YES]},
        "wrong_role",
        "role 'bot' at turn 1",
    ),
    "late system turn": (
        TALK,
        {"chosen": [USER, {"role": "system", "content": ""}, YES]},
        "wrong_role",
        "turn 2",
    ),
    "answer by the user": (TALK, {"rejected": [USER, USER]}, "wrong_role", "ends with a turn of the user"),
    "list content": (
        TALK,
        {"chosen": [USER, {**YES, "content": ["x"]}]},
        "not_text",
        r"chosen\[1\].content: holds",
    ),
    "an image": (
        TALK,
        {"chosen": [{**USER, "content": [{"type": "image_url", "image_url": "x"}]}, YES]},
        "not_read",
        r"chosen\[0\].content\[0\]: a part of type 'image_url'",
    ),
    "a call of a tool": (
        TALK,
        {"chosen": [USER, {**YES, "tool_calls": [{"id": 1}]}]},
        "not_read",
        r"chosen\[1\].tool_calls: is not read",
    ),
    "nothing but a call of a tool": (
        TALK,
        {"chosen": [USER, {"role": "assistant", "content": None, "tool_calls": [{"id": 1}]}]},
        "not_read",
        r"chosen\[1\].tool_calls: is not read",
    ),
    "thoughts beside the text": (
        TALK,
        {"rejected": [USER, {**NO, "reasoning_content": "hm"}]},
        "not_read",
        r"rejected\[1\].reasoning_content: is not read",
    ),
    "a tool's turn": (
        TALK,
        {"chosen": [USER, {"role": "tool", "content": "4"}, YES]},
        "wrong_role",
        "role 'tool' at turn 2.*calls of tools",
    ),
    "keys from and value": (
        TALK,
        {"chosen": [{"from": "human", "value": "x"}, YES]},
        "wrong_role",
        'rename "from" to "role"',
    ),
    "a single message": (TALK, {"chosen": YES}, "not_text", "chosen: holds dict.*single message as a list"),
    "null prompt": (TALK, {"prompt": None}, "null_value", "prompt: is null"),
    "the prompt of another row": (TALK, {"prompt": "Name a fish."}, "other_prompt", "prompt: is no turn of"),
    "messages written as text": (
        GOOD,
        {"chosen": json.dumps([YES]), "rejected": str([NO])},
        "not_text",
        "chosen: holds a message list written as text",
    ),
    "tools": (TALK, {"tools": [{"name": "f"}]}, "not_read", "tools: is not read.*as the model is to see it"),
    "tools as text": (GOOD, {"tools": '[{"name": "f"}]'}, "not_read", "tools: is not read"),
    "an image beside": (GOOD, {"images": ["x.png"]}, "not_read", "images: is not read"),
    "options of the template": (
        GOOD,
        {"chat_template_kwargs": {"enable_thinking": False}},
        "not_read",
        "chat_template_kwargs: is not read",
    ),
    "text for a message": (TALK, {"chosen": ["hello", YES]}, "not_object", r"chosen\[0\]: a message is str"),
    "no messages": (TALK, {"chosen": []}, "empty_answer", "chosen: holds no message"),
    "two prompts": (
        TALK,
        {"rejected": [{**USER, "content": "other"}, NO]},
        "prompts_differ",
        "differs from chosen",
    ),
    "no speaker": (HH, {"rejected": "hello"}, "wrong_role", "no transcript that begins with a speaker"),
    "empty transcript": (HH, {"chosen": ""}, "empty_answer", "chosen: holds no message"),
    "a draw": (VOTE, {"preference": 1.5}, "no_label", "preference: is a draw"),
    "not judged": (VOTE, {"preference": None}, "no_label", "preference: is not judged"),
    "out of range": (
        VOTE,
        {"preference": 3},
        "bad_score",
        r"preference: is 3; expected a number in \[1, 2\]",
    ),
}


def lines(path, *rows):
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def changed(row, change):
    return {key: value for key, value in {**row, **change}.items() if value is not ...}


@pytest.mark.parametrize("name", FAULTS)
def test_fault_is_placed_or_counted(name, tmp_path):
    good, change, reason, message = FAULTS[name]
    path = lines(tmp_path / "pairs.jsonl", good, changed(good, change), good)
    with pytest.raises(InputError, match=rf"pairs.jsonl:2: .*{message}") as caught:
        load_pairs(path)
    assert caught.value.exit_code == 2
    assert "To mend it" in str(caught.value)
    assert reason in REASONS
    loaded = load_pairs(path, on_bad="drop")
    assert loaded.report.drop_counts == {reason: 1}
    assert loaded.pairs[0] == load_pairs(lines(tmp_path / "good.jsonl", good)).pairs[0]
    assert len(loaded.pairs) == 2


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"prompt": "a", "chosen": "b"', "not_json"),
        ("[1, 2]", "not_object"),
        ('"text"', "not_object"),
        ("null", "not_object"),
        ("[" * 100_000, "not_json"),
        ('{"score_chosen": 1' + "0" * 5000 + "}", "not_json"),
    ],
)
def test_broken_lines(line, reason, tmp_path):
    path = lines(tmp_path / "pairs.jsonl", GOOD, line)
    with pytest.raises(InputError, match=r"pairs.jsonl:2: "):
        load_pairs(path)
    assert load_pairs(path, on_bad="drop").report.drop_counts == {reason: 1}


def test_bytes_that_are_not_utf8(tmp_path):
    path = lines(tmp_path / "pairs.jsonl", GOOD)
    path.write_bytes(path.read_bytes() + b'{"prompt": "\xff"}\n')
    with pytest.raises(InputError, match=r"pairs.jsonl:2: byte 13 of the line is not UTF-8"):
        load_pairs(path)


@pytest.mark.parametrize("content", ["", "\n\n", "[]"])
def test_empty_file(content, tmp_path):
    path = tmp_path / "pairs.json"
    path.write_text(content)
    with pytest.raises(InputError, match=r"pairs.json: is empty"):
        load_pairs(path, on_bad="drop")


def test_nothing_usable(tmp_path):
    path = lines(tmp_path / "pairs.jsonl", changed(GOOD, {"chosen": ""}))
    with pytest.raises(InputError, match="holds no usable pair; 0 of 1 rows .* empty answer 1"):
        load_pairs(path, on_bad="drop")


def test_nothing_usable_tells_what_is_wrong_with_the_first(tmp_path):
    """UltraFeedback as it was collected: graded completions of an instruction, no pairs yet."""
    row = {"instruction": "a", "models": ["m"], "completions": [{"response": "b", "overall_score": 8.0}]}
    path = lines(tmp_path / "pairs.jsonl", "", row, row)
    with pytest.raises(InputError) as caught:
        load_pairs(path, on_bad="drop")
    said = str(caught.value)
    assert (
        "0 of 2 rows; dropped 2: missing column 2. The first, at line 2: chosen: no column 'chosen'" in said
    )
    assert "among instruction, models, completions; expected prompt, chosen, rejected" in said


def test_the_way_to_leave_bad_rows_out_is_named_for_commands_and_python(tmp_path):
    path = lines(tmp_path / "pairs.jsonl", changed(GOOD, {"chosen": ""}))
    with pytest.raises(InputError, match="--drop-bad of `gammapo corrupt`.*data.on_bad: drop in a recipe"):
        load_pairs(path)


@pytest.mark.parametrize("tools", [None, "", " [] ", [], [None], {"name": None}])
def test_no_tools_are_no_fault(tools, tmp_path):
    """Parquet and `datasets` fill nulls in where a row has none; its messages likewise."""
    row = {**TALK, "chosen": [USER, {**YES, "tool_calls": tools}], "tools": tools}
    assert len(load_pairs(lines(tmp_path / "pairs.jsonl", row)).pairs) == 1


def test_a_reader_without_a_way_to_drop_offers_none(tmp_path):
    path = lines(tmp_path / "pairs.jsonl", changed(GOOD, {"chosen": ""}))
    with pytest.raises(InputError, match="chosen: is empty.*To mend it: mend or remove the row$"):
        load_pairs(path, on_bad="refuse")


def test_mixed_shapes_are_never_dropped_silently(tmp_path):
    path = lines(tmp_path / "pairs.jsonl", GOOD, TALK)
    for on_bad in ("raise", "drop"):
        with pytest.raises(InputError, match=r"pairs.jsonl:2: .*shape 'ultrafeedback', .* before it 'text'"):
            load_pairs(path, on_bad=on_bad)


def test_unknown_policy_and_limit(tmp_path):
    path = lines(tmp_path / "pairs.jsonl", GOOD)
    with pytest.raises(InputError, match="on_bad: unknown 'ignore'"):
        load_pairs(path, on_bad="ignore")
    with pytest.raises(InputError, match="limit: is 0"):
        load_pairs(path, limit=0)


VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
MESSAGES = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant", "x"]), "content": VALUE})
)
FIELD = st.sampled_from(
    [
        "id",
        "prompt",
        "chosen",
        "rejected",
        "score_chosen",
        "instruction",
        "output_1",
        "output_2",
        "preference",
    ]
)
ROW = st.dictionaries(FIELD, VALUE | MESSAGES | st.text())
LINE = ROW.map(json.dumps) | st.text() | VALUE.map(json.dumps)
FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


@FUZZ
@given(rows=st.lists(LINE, max_size=6))
def test_any_lines_load_or_say_why(tmp_path, rows):
    path = tmp_path / "fuzz.jsonl"
    path.write_bytes("\n".join(rows).encode("utf-8", "surrogatepass"))
    for on_bad in ("raise", "drop"):
        try:
            loaded = load_pairs(path, on_bad=on_bad)
        except InputError as error:
            loaded = None
            said = str(error)
        if loaded is None:
            assert "fuzz.jsonl" in said
        else:
            assert loaded.pairs
            assert len(loaded.pairs) + len(loaded.report.dropped) == loaded.report.rows


@FUZZ
@given(
    content=st.binary(max_size=200), head=st.sampled_from([b"", b"\x1f\x8b", b"PAR1", b"[", b"\xef\xbb\xbf"])
)
def test_any_bytes_load_or_say_why(tmp_path, content, head):
    path = tmp_path / "fuzz.bin"
    path.write_bytes(head + content)
    with pytest.raises(InputError):
        load_pairs(path, on_bad="drop")


WORDS = st.text(st.characters(codec="utf-8"), min_size=1).filter(str.strip)


@FUZZ
@given(
    prompt=WORDS,
    answers=st.lists(WORDS, min_size=2, max_size=2, unique=True),
    scores=st.tuples(
        st.none() | st.floats(allow_nan=False, allow_infinity=False, width=32), st.none() | st.integers(-9, 9)
    ),
    around=st.lists(LINE, max_size=3),
)
def test_a_good_row_is_never_changed(tmp_path, prompt, answers, scores, around):
    row = {"prompt": prompt, "chosen": answers[0], "rejected": answers[1]}
    row |= {"score_chosen": scores[0], "score_rejected": scores[1], "id": "kept"}
    path = tmp_path / "fuzz.jsonl"
    bad = [json.dumps({"broken": line})[:-1] for line in around]
    path.write_text("\n".join([*bad, json.dumps(row), *bad]))
    (pair,) = load_pairs(path, on_bad="drop").pairs
    assert (pair.id, pair.prompt[0].content, pair.chosen, pair.rejected) == ("kept", prompt, *answers)
    assert (pair.chosen_score, pair.rejected_score) == scores


def test_keys_that_are_there_and_empty_say_nothing(tmp_path):
    """Parquet gives every message all keys."""
    row = TALK | {"chosen": [USER, {**YES, "tool_calls": None, "thinking": ""}]}
    assert len(load_pairs(lines(tmp_path / "pairs.jsonl", row)).pairs) == 1
