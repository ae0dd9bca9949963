"""Every shape told apart by its columns; stable ids; nothing dropped unsaid."""

import gzip
import json
from dataclasses import replace

import pytest

from gammapo.data import fingerprint, load_pairs, pair_id, write_pairs
from gammapo.errors import InputError
from gammapo.types import Message, PreferencePair

USER = {"role": "user", "content": "Name a bird."}
GOOD = {"role": "assistant", "content": "A wren."}
BAD = {"role": "assistant", "content": "A cat."}
PROMPT = (Message(role="user", content="Name a bird."),)
ID = pair_id(PROMPT, "A wren.", "A cat.")
ROWS = {
    "text": {"prompt": "Name a bird.", "chosen": "A wren.", "rejected": "A cat."},
    "messages": {"prompt": [USER], "chosen": [GOOD], "rejected": [BAD]},
    "messages_prompt": {"prompt": [USER], "chosen": "A wren.", "rejected": "A cat."},
    "messages_answers": {"prompt": "Name a bird.", "chosen": [GOOD], "rejected": [BAD]},
    "ultrafeedback": {"prompt": "Name a bird.", "chosen": [USER, GOOD], "rejected": [USER, BAD]},
    "implicit": {"chosen": [USER, GOOD], "rejected": [USER, BAD]},
    "hh": {
        "chosen": "\n\nHuman: Name a bird.\n\nAssistant: A wren.",
        "rejected": "\n\nHuman: Name a bird.\n\nAssistant: A cat.",
    },
    "hh_prompt": {
        "prompt": "\n\nHuman: Name a bird.\n\nAssistant:",
        "chosen": " A wren.",
        "rejected": " A cat.",
    },
    "alpaca_eval": {
        "instruction": "Name a bird.",
        "output_1": "A cat.",
        "output_2": "A wren.",
        "preference": 1.9,
    },
}


def jsonl(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize("shape", ROWS)
def test_each_shape_means_the_same_pair(shape, tmp_path):
    loaded = load_pairs(jsonl(tmp_path / "pairs.jsonl", ROWS[shape]))
    (pair,) = loaded.pairs
    assert loaded.report.shape == shape
    assert (pair.prompt, pair.chosen, pair.rejected, pair.id) == (PROMPT, "A wren.", "A cat.", ID)
    assert pair.origin == f"{tmp_path / 'pairs.jsonl'}:1"


def test_scores_are_kept(tmp_path):
    row = ROWS["ultrafeedback"] | {"score_chosen": 8, "score_rejected": 4.5}
    (pair,) = load_pairs(jsonl(tmp_path / "a.jsonl", row)).pairs
    assert (pair.chosen_score, pair.rejected_score) == (8.0, 4.5)
    (pair,) = load_pairs(jsonl(tmp_path / "b.jsonl", ROWS["alpaca_eval"])).pairs
    assert (pair.chosen_score, pair.rejected_score) == pytest.approx((0.9, 0.1))


def test_alpaca_eval_preference_below_the_middle_means_the_first_output(tmp_path):
    row = ROWS["alpaca_eval"] | {"preference": 1.2}
    (pair,) = load_pairs(jsonl(tmp_path / "a.jsonl", row)).pairs
    assert (pair.chosen, pair.rejected) == ("A cat.", "A wren.")
    assert pair.chosen_score == pytest.approx(0.8)


def test_the_id_survives_a_flip_and_numbers_repeats(tmp_path):
    flipped = ROWS["text"] | {"chosen": "A cat.", "rejected": "A wren."}
    stored = ROWS["text"] | {"id": "mine"}
    path = jsonl(tmp_path / "a.jsonl", ROWS["text"], flipped, stored, stored, ROWS["text"])
    assert [pair.id for pair in load_pairs(path).pairs] == [ID, f"{ID}-2", "mine", "mine-2", f"{ID}-3"]


def test_hh_transcript_with_several_turns(tmp_path):
    head = "\n\nHuman: Hi\n\nAssistant: Hello\n\nHuman: A bird?\n\nAssistant:"
    row = {"chosen": head + " A wren.\n", "rejected": head + " A cat."}
    (pair,) = load_pairs(jsonl(tmp_path / "a.jsonl", row)).pairs
    assert [message.role for message in pair.prompt] == ["user", "assistant", "user"]
    assert (pair.prompt[1].content, pair.chosen) == ("Hello", "A wren.")


def test_json_array_gzip_and_byte_order_mark(tmp_path):
    rows = [ROWS["text"], ROWS["text"] | {"chosen": "A kite."}]
    array = tmp_path / "a.json"
    array.write_text(json.dumps(rows, indent=2))
    zipped = tmp_path / "a.jsonl.gz"
    with gzip.open(zipped, "wt") as out:
        out.writelines(json.dumps(row) + "\n" for row in rows)
    marked = tmp_path / "b.jsonl"
    marked.write_bytes(b"\xef\xbb\xbf" + jsonl(tmp_path / "c.jsonl", *rows).read_bytes())
    expected = load_pairs(tmp_path / "c.jsonl").pairs
    for path in (array, zipped, marked):
        assert load_pairs(path).pairs == expected


def test_a_json_array_may_begin_after_blank_lines(tmp_path):
    rows = [ROWS["text"], ROWS["text"] | {"chosen": "A kite."}]
    path, broken = tmp_path / "a.json", tmp_path / "b.json"
    path.write_text("\n \n" + json.dumps(rows, indent=2))
    assert load_pairs(path).pairs == load_pairs(jsonl(tmp_path / "a.jsonl", *rows)).pairs
    broken.write_text('\n\n[{"prompt": "a"},\n {"prompt": }]')
    with pytest.raises(InputError, match="b.json:4: broken JSON"):
        load_pairs(broken)


def test_write_then_load_gives_the_same_pairs(tmp_path):
    row = ROWS["ultrafeedback"] | {"score_chosen": 8, "score_rejected": None}
    pairs = load_pairs(jsonl(tmp_path / "a.jsonl", row)).pairs
    written = write_pairs(tmp_path / "b.jsonl", pairs)
    assert load_pairs(written).pairs == pairs
    with pytest.raises(InputError, match="already exists"):
        write_pairs(written, pairs)
    assert load_pairs(write_pairs(written, pairs, overwrite=True)).pairs == pairs


def test_limit_stops_reading(tmp_path):
    path = jsonl(tmp_path / "a.jsonl", *[ROWS["text"]] * 5)
    path.write_text(path.read_text() + "broken\n")
    assert len(load_pairs(path, limit=5).pairs) == 5


def test_drop_counts_and_places_bad_rows(tmp_path):
    empty, same = ROWS["text"] | {"chosen": " "}, ROWS["text"] | {"chosen": "A cat."}
    path = jsonl(tmp_path / "a.jsonl", empty, ROWS["text"], same, same)
    loaded = load_pairs(path, on_bad="drop")
    assert len(loaded.pairs) == 1
    assert loaded.report.drop_counts == {"identical_answers": 2, "empty_answer": 1}
    assert [drop.origin for drop in loaded.report.dropped] == [f"{path}:1", f"{path}:3", f"{path}:4"]
    assert "1 of 4 rows" in loaded.report.describe()
    with pytest.raises(InputError, match=r"a.jsonl:1: chosen: is empty"):
        load_pairs(path)


def test_a_fingerprint_sees_order_labels_and_scores_of_either_answer():
    pair = PreferencePair(id="a", prompt=(Message(role="user", content="q"),), chosen="x", rejected="y")
    other = replace(pair, id="b")
    scored = [
        replace(pair, chosen_score=1.0),
        replace(pair, rejected_score=1.0),
        replace(pair, chosen_score=2.0),
    ]
    data_sets = [[pair, other], [other, pair], [pair.flipped(), other], *([one, other] for one in scored)]

    assert len({fingerprint(pairs) for pairs in data_sets}) == len(data_sets)


def test_the_report_of_a_file_gives_the_fingerprint_of_its_pairs(tmp_path):
    row = ROWS["text"] | {"chosen_score": 1.5, "rejected_score": 0.5}

    loaded = load_pairs(jsonl(tmp_path / "pairs.jsonl", row, row | {"prompt": "Name a fish."}))

    assert loaded.pairs[0].chosen_score == 1.5
    assert loaded.report.fingerprint == fingerprint(loaded.pairs)


@pytest.mark.parametrize("repeated", [False, True])
def test_a_prompt_that_is_a_transcript_is_read_as_its_turns(tmp_path, repeated):
    """TRL's older format, and Dahoas' copies of HH; the answers may repeat the prompt."""
    head = "\n\nHuman: Hi\n\nAssistant: Hello\n\nHuman: A bird?\n\nAssistant:"
    start = head if repeated else ""
    row = {"prompt": head, "chosen": start + " A wren.", "rejected": start + " A cat."}
    bad = row | {"prompt": "What?"}
    loaded = load_pairs(jsonl(tmp_path / "a.jsonl", row, bad), on_bad="drop")
    (pair,) = loaded.pairs
    assert [message.content for message in pair.prompt] == ["Hi", "Hello", "A bird?"]
    assert (pair.chosen, pair.rejected) == ("A wren.", "A cat.")
    assert loaded.report.drop_counts == {"wrong_role": 1}


def test_a_question_that_quotes_a_transcript_stays_as_it_is(tmp_path):
    quoted = ROWS["hh_prompt"] | {"prompt": "\n\nHuman: Hi\n\nAssistant:"}
    pairs = load_pairs(jsonl(tmp_path / "a.jsonl", ROWS["text"], quoted)).pairs
    assert (pairs[1].prompt[0].content, pairs[1].chosen) == (quoted["prompt"], " A wren.")


def test_a_transcript_may_lack_its_first_blank_lines(tmp_path):
    row = {side: text.lstrip() for side, text in ROWS["hh"].items()}
    assert load_pairs(jsonl(tmp_path / "a.jsonl", row)).pairs[0].id == ID


@pytest.mark.parametrize("shape", ["text", "messages", "ultrafeedback", "implicit"])
def test_a_column_system_is_the_system_turn(tmp_path, shape):
    """As in truthy-dpo and Orca's pairs; left out, the answers would be trained on without their cause."""
    brief = Message(role="system", content="Be brief.")
    rows = [ROWS[shape] | {"system": said} for said in ("Be brief.", "", None)]
    loaded = load_pairs(jsonl(tmp_path / "a.jsonl", *rows))
    assert [pair.prompt for pair in loaded.pairs] == [(brief, *PROMPT), PROMPT, PROMPT]
    assert loaded.report.ignored_columns == ()


def test_the_system_turn_is_not_doubled_and_not_contradicted(tmp_path):
    prompt = [{"role": "system", "content": "Be brief."}, USER]
    row = ROWS["messages"] | {"prompt": prompt, "system": "Be brief."}
    loaded = load_pairs(jsonl(tmp_path / "a.jsonl", row, row | {"system": "Be long."}), on_bad="drop")
    assert len(loaded.pairs[0].prompt) == 2
    assert loaded.report.dropped[0].problem.startswith("system: is not the system turn")


@pytest.mark.parametrize(
    "names", [("rating_chosen", "rating_rejected"), ("chosen-rating", "rejected-rating")]
)
def test_ratings_of_argilla_s_sets_are_scores(tmp_path, names):
    row = ROWS["ultrafeedback"] | dict(zip(names, (5, 2.5), strict=True))
    (pair,) = load_pairs(jsonl(tmp_path / "a.jsonl", row)).pairs
    assert (pair.chosen_score, pair.rejected_score) == (5.0, 2.5)


def test_contents_in_parts_are_read_if_all_are_text(tmp_path):
    parts = [{"type": "text", "text": "Name "}, {"type": "text", "text": "a bird."}]
    row = ROWS["messages"] | {"prompt": [{"role": "user", "content": parts}]}
    assert load_pairs(jsonl(tmp_path / "a.jsonl", row)).pairs[0].id == ID
