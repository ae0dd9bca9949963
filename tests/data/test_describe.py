"""The description counts what was put in, and the preview marks exactly the answer."""

import json

import pytest

from gammapo.data import load_pairs
from gammapo.data.describe import Spread, describe, preview
from gammapo.errors import InputError


def row(prompt, chosen, rejected, scores=()):
    return {"prompt": prompt, "chosen": chosen, "rejected": rejected} | dict(
        zip(("score_chosen", "score_rejected"), scores, strict=False)
    )


@pytest.fixture
def path(tmp_path):
    rows = [
        row("a", "long answer", "short", (3, 1)),
        row("a", "short", "long answer", (1, 3)),  # the first again, label and scores the other way round
        row("a", "long answer", "short", (3, 1)),  # the first again
        row("bb", "xy", "zw", (2, 2)),
        row("ccc", "", "x"),
    ]
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    return path


def test_counts(path):
    found = describe(path)
    assert (found.report.rows, found.report.pairs, found.report.drop_counts) == (5, 4, {"empty_answer": 1})
    assert (found.repeats, found.contradictions) == (1, 1)
    assert (found.scored, found.ties, found.inversions) == (4, 1, 1)
    assert found.chosen_longer == (1 + 0 + 1 + 0.5) / 4
    assert found.turns == {1: 4}
    assert found.score_gaps is not None
    assert (found.score_gaps.minimum, found.score_gaps.median, found.score_gaps.maximum) == (-2, 1, 2)
    prompt = found.lengths["prompt"]
    assert (prompt.minimum, prompt.mean, prompt.maximum) == (1, 1.25, 2)
    assert sum(prompt.histogram) == 4


def test_limit_and_nothing_usable(path, tmp_path):
    assert describe(path, limit=2).report.pairs == 2
    bad = tmp_path / "bad.jsonl"
    bad.write_text(json.dumps(row("a", "", "b")) + "\n")
    with pytest.raises(InputError, match="holds no usable pair"):
        describe(bad)


def test_scores_whose_gap_is_no_number_are_left_out(path):
    """1e308 − (−1e308) is infinite, and a median of it no number; a float32 holds neither score."""
    rows = [
        row("d", "x", "y", (1e308, -1e308)),
        row("e", "x", "y", (3e38, -3e38)),
        row("f", "x", "y", (1, 0)),
    ]
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    found = describe(path)
    assert found.report.drop_counts == {"bad_score": 1}
    assert found.score_gaps is not None
    assert (found.score_gaps.maximum, found.score_gaps.mean) == (6e38, pytest.approx(3e38))


def test_spread_is_of_the_values():
    spread = Spread.of(range(101))
    assert (spread.minimum, spread.p05, spread.median, spread.p95, spread.maximum) == (0, 5, 50, 95, 100)


def test_preview_marks_the_answer_and_its_end_of_turn(path, tiny_tokenizer):
    shown = preview(load_pairs(path, limit=1).pairs[0], tiny_tokenizer)
    assert "".join(token.text for token in shown.chosen if token.loss) == "long answer<|end|>"
    assert "".join(token.text for token in shown.rejected if token.loss) == "short<|end|>"
    assert (
        "".join(token.text for token in shown.chosen if not token.loss) == "<s><|user|>a<|end|><|assistant|>"
    )
    assert (shown.leading_bos, shown.tokenizer_adds_bos, shown.template) == (1, True, True)
