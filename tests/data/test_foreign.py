"""Files that hold no labelled pairs are told how pairs are made of them, not to rename columns."""

import json

import pytest

from gammapo.data import load_pairs
from gammapo.errors import InputError

ANSWERS = {"chosen": "x", "rejected": "y"}
WAYS = {
    "SHP": (
        {"history": "q", "human_ref_A": "x", "human_ref_B": "y", "labels": 1},
        "labels 1: human_ref_A is better",
    ),
    "HelpSteer2": ({"prompt": "q", "response": "x", "helpfulness": 3}, "single answers; pair two"),
    "HelpSteer2, preferences": (
        {"prompt": "q", "response_1": "x", "response_2": "y", "preference_strength": -2},
        "below 0: response_1",
    ),
    "HelpSteer3": (
        {"context": [], "response1": "x", "response2": "y", "overall_preference": 1},
        "below 0: response1",
    ),
    "PKU-SafeRLHF": (
        {"prompt": "q", "response_0": "x", "response_1": "y", "better_response_id": 0},
        "better_response_id names it",
    ),
    "KTO": ({"prompt": "q", "completion": "x", "label": True}, "single answers, liked or not"),
    "UltraFeedback": ({"instruction": "q", "completions": []}, "the best completion under chosen"),
    "OpenAI": ({"input": {}, "preferred_output": [], "non_preferred_output": []}, "messages of input"),
    "prompts": (
        {"prompt": "q"},
        "sample-pairs.*where prompts are wanted .*a column instruction, prompt or messages",
    ),
    "wrapped": ({"data": [ANSWERS]}, "write the list that it holds as a JSON array"),
    "other": ({"better": "x", "worse": "y"}, "rename the columns as expected"),
    "Orca": ({"system": "s", "question": "q", **ANSWERS}, "rename the column 'question' to prompt"),
    "argilla's Orca": ({"input": "q", **ANSWERS}, "rename the column 'input' to prompt"),
}


@pytest.mark.parametrize("name", WAYS)
@pytest.mark.parametrize("on_bad", ["raise", "drop"])
def test_the_way_to_pairs_is_told(name, on_bad, tmp_path):
    row, way = WAYS[name]
    path = tmp_path / "pairs.jsonl"
    path.write_text(json.dumps(row) + "\n")
    with pytest.raises(
        InputError, match=f"pairs.jsonl.*no column '(chosen|prompt)' among .*To mend it: .*{way}"
    ):
        load_pairs(path, on_bad=on_bad)
