"""All checks together, on a file with one fault of each kind."""

import json

from gammapo.audit import audit_pairs
from gammapo.data import load_pairs


def row(prompt, chosen, rejected, *scores):
    return {"prompt": prompt, "chosen": chosen, "rejected": rejected} | dict(
        zip(("score_chosen", "score_rejected"), scores, strict=False)
    )


ROWS = [
    row("q1", "Yes, I think so.", "No, I do not.", 2, 1),
    row("q1", "No, I do not.", "Yes, I think so.", 2, 1),  # contradicts the first
    row("q2", "Fine.", "", 1, 1),  # unusable
    row("q3", "Same.", "Same.", 1, 1),  # unusable
    row("q4", "One river is blue.", "A mountain is high.", 3, 3),  # tie
    row("q5", "One bird sings.", "A stone is silent.", 1, 4),  # inversion
    row(
        "q6",
        "The tall tree stands in the old garden today.",
        "The tall tree stands in the old gardens today.",
        2,
        1,
    ),
    row("q7", "I cannot help with that.", "Here you go.", 2, 1),  # refusal
]


def test_each_fault_is_found_once(tmp_path):
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in ROWS))
    report = audit_pairs(load_pairs(path, on_bad="drop"))
    counts = {one.name: one.pairs for one in report.findings if not one.skipped}
    assert counts == {
        "unusable": 2,
        "near_identical": 1,
        "contradiction": 2,
        "repeat": 0,
        "tie": 1,
        "inversion": 1,
        "length_bias": 0,
        "cut_off": 0,
        "refusal": 1,
    }
    value = json.loads(json.dumps(report.as_dict(), allow_nan=False))
    assert value["unusable"] == {"empty_answer": 1, "identical_answers": 1}
    assert value["findings"]["leakage"]["skipped"]
    assert value["findings"]["tie"]["hits"][0]["origin"] == f"{path}:5"
    assert sum(one["pairs"] for one in value["length_bias"]) == 6
