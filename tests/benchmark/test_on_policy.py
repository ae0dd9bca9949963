import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from gammapo import data, generation
from gammapo.benchmark.on_policy import best_against_worst, sample_pairs, samples_path, select
from gammapo.benchmark.pair_report import summarise
from gammapo.benchmark.samples import Answer, Sampled
from gammapo.errors import InputError
from gammapo.generation import Sampling
from gammapo.types import Message

SAMPLING = Sampling(n=4, temperature=1.0, max_new_tokens=12, seed=3)


def asked(text: str) -> tuple[Message, ...]:
    return (Message(role="user", content=text),)


def sampled(*answers: tuple[str, float | None, str]) -> Sampled:
    return Sampled(
        prompt=asked("x"),
        answers=tuple(
            Answer(text=text, score=score, finish_reason=reason, tokens=len(text))
            for text, score, reason in answers
        ),
    )


class Letters:
    """Scores an answer by its length; counts how many it is asked for."""

    def __init__(self):
        self.asked = 0

    def score(self, prompts: Sequence[Sequence[Message]], answers: Sequence[str]) -> list[float]:
        self.asked += len(answers)
        return [float(len(answer)) for answer in answers]


@pytest.fixture
def backend(tiny_model, tiny_tokenizer):
    # a random model seldom ends a turn; a larger bias on the end-of-turn token makes it do so
    import torch

    class Ending(type(tiny_model)):
        def forward(self, *args, **rest):
            out = super().forward(*args, **rest)
            with torch.inference_mode():
                out.logits[..., tiny_tokenizer.eos_token_id] += 7
            return out

    tiny_model.__class__ = Ending
    return generation.create("transformers", model=tiny_model, tokenizer=tiny_tokenizer)


def test_best_against_worst_takes_the_extremes_with_their_scores():
    pair = best_against_worst(sampled(("good", 0.9, "stop"), ("middle", 0.5, "stop"), ("bad", 0.1, "stop")))
    assert (pair.chosen, pair.rejected, pair.chosen_score, pair.rejected_score) == ("good", "bad", 0.9, 0.1)
    assert pair.id == data.pair_id(asked("x"), "good", "bad")


def test_cut_and_unscored_answers_take_no_part():
    assert (
        best_against_worst(sampled(("cut", 1.0, "length"), ("", None, "stop"), ("one", 0.1, "stop")))
        == "unfinished"
    )


def test_ties_and_small_gaps_make_no_pair():
    assert best_against_worst(sampled(("a", 0.5, "stop"), ("b", 0.5, "stop"))) == "tie"
    two = sampled(("a", 0.5, "stop"), ("b", 0.4, "stop"))
    assert best_against_worst(two, min_gap=0.2) == "tie"
    assert best_against_worst(two, min_gap=0.05).chosen == "a"


def test_among_equals_the_two_of_nearest_length_are_taken():
    pair = best_against_worst(
        sampled(("x" * 9, 1.0, "stop"), ("x" * 4, 1.0, "stop"), ("y" * 5, 0.0, "stop"), ("y", 0.0, "stop"))
    )
    assert (pair.chosen, pair.rejected) == ("xxxx", "yyyyy")


def test_drops_are_counted_and_summarised():
    rows = [
        sampled(("good", 0.9, "stop"), ("bad", 0.1, "stop")),
        sampled(("a", 0.5, "stop"), ("b", 0.5, "stop")),
        sampled(("a", 0.5, "stop"), ("b", 0.5, "length")),
    ]
    selection = select(rows)
    assert selection.dropped == {"unfinished": 1, "tie": 1, "identical": 0}
    summary = summarise(selection, rows)
    assert (summary["prompts"], summary["answers"], summary["cut_answers"], summary["pairs"]) == (3, 6, 1, 1)
    assert summary["mean_score"] == pytest.approx((0.9 + 0.1 + 0.5 + 0.5 + 0.5) / 5)
    assert (summary["length_gap"], summary["longer_chosen"]) == (1, 1)


def test_pairs_are_written_and_read_back_and_samples_kept(backend, tmp_path):
    out = tmp_path / "pairs.jsonl"
    prompts = [asked(f"Tell me about {thing}.") for thing in ("a river", "a cat", "snow", "rain")]
    selection, rows = sample_pairs(prompts, backend, Letters(), SAMPLING, out, scorer_name="letters")
    assert selection.pairs
    assert data.load_pairs(out).pairs == selection.pairs
    assert [row.prompt for row in rows] == prompts
    assert all(len(row.answers) == 4 for row in rows)
    assert len(samples_path(out).read_text().splitlines()) == 1 + len(prompts)


def test_a_second_run_samples_and_scores_only_what_is_missing(backend, tmp_path):
    prompts = [asked(f"Tell me about {thing}.") for thing in ("a river", "a cat", "snow", "rain")]
    whole, part = tmp_path / "whole.jsonl", tmp_path / "part.jsonl"
    sample_pairs(prompts, backend, Letters(), SAMPLING, whole, scorer_name="letters")
    sample_pairs(prompts[:2], backend, Letters(), SAMPLING, part, scorer_name="letters")
    part.unlink()
    scorer = Letters()
    sample_pairs(prompts, backend, scorer, SAMPLING, part, scorer_name="letters")
    assert scorer.asked <= 2 * SAMPLING.n
    assert part.read_bytes() == whole.read_bytes()
    assert samples_path(part).read_bytes() == samples_path(whole).read_bytes()


def test_rescoring_needs_no_sampling(backend, tmp_path, monkeypatch):
    prompts = [asked("Tell me about a river."), asked("Tell me about snow.")]
    out = tmp_path / "pairs.jsonl"
    first, _ = sample_pairs(prompts, backend, Letters(), SAMPLING, out, scorer_name="letters")

    class Fewest(Letters):
        def score(self, prompts, answers):
            return [-value for value in super().score(prompts, answers)]

    monkeypatch.setattr(backend, "generate", None)
    second, _ = sample_pairs(prompts, backend, Fewest(), SAMPLING, out, scorer_name="fewest", rescore=True)
    gaps = [[pair.chosen_score - pair.rejected_score for pair in one.pairs] for one in (first, second)]
    assert gaps[0] == gaps[1]
    assert all(pair.chosen_score <= 0 for pair in second.pairs)
    assert data.load_pairs(out).pairs == second.pairs


def test_rescoring_never_drops_samples(backend, tmp_path):
    prompts, out = [asked("Tell me about a river."), asked("Tell me about snow.")], tmp_path / "pairs.jsonl"
    sample_pairs(prompts, backend, Letters(), SAMPLING, out, scorer_name="letters")
    before = out.read_bytes(), samples_path(out).read_bytes()
    other = replace(SAMPLING, seed=4, temperature=0.5)
    for overwrite in (False, True):
        with pytest.raises(InputError, match="drawn with temperature 1.0, seed 3; expected .* seed 4"):
            sample_pairs(
                prompts, backend, Letters(), other, out, scorer_name="x", rescore=True, overwrite=overwrite
            )
        assert (out.read_bytes(), samples_path(out).read_bytes()) == before


def test_rescoring_replaces_only_pairs_of_its_own_samples(backend, tmp_path):
    prompts, out = [asked("Tell me about a river."), asked("Tell me about snow.")], tmp_path / "pairs.jsonl"
    first, _ = sample_pairs(prompts, backend, Letters(), SAMPLING, out, scorer_name="letters")
    side = samples_path(out).read_bytes()
    foreign = replace(first.pairs[0], chosen="another answer")
    for pairs, mark in (
        ([foreign], {}),
        ([pair.flipped() for pair in first.pairs], {}),  # as a repair turns labels
        (first.pairs, {data.MARKER: "abc"}),  # as noise marks them
    ):
        data.write_pairs(out, pairs, overwrite=True, extra=mark)
        before = out.read_bytes()
        with pytest.raises(InputError, match="holds other pairs than those of its samples"):
            sample_pairs(prompts, backend, Letters(), SAMPLING, out, scorer_name="x", rescore=True)
        assert (out.read_bytes(), samples_path(out).read_bytes()) == (before, side)
    sample_pairs(
        prompts, backend, Letters(), SAMPLING, out, scorer_name="x", rescore=True, overwrite=True
    )  # as it was told to
    assert data.load_pairs(out).pairs == first.pairs


def test_no_pair_leaves_no_file(backend, tmp_path):
    out = tmp_path / "pairs.jsonl"
    selection, _ = sample_pairs(
        [asked("x")], backend, Letters(), SAMPLING, out, scorer_name="letters", min_gap=1e9
    )
    assert not selection.pairs
    assert not out.exists()


def test_existing_output_and_a_single_sample_are_refused(backend, tmp_path):
    out = tmp_path / "pairs.jsonl"
    with pytest.raises(InputError, match="at least 2"):
        sample_pairs([asked("x")], backend, Letters(), Sampling(n=1), out, scorer_name="letters")
    out.write_text("mine")
    with pytest.raises(InputError, match="already exists"):
        sample_pairs([asked("x")], backend, Letters(), SAMPLING, out, scorer_name="letters")
    assert out.read_text() == "mine"


def test_samples_path_drops_the_endings():
    assert (
        samples_path("a/pairs.jsonl.gz").name == samples_path("a/pairs.jsonl").name == "pairs.samples.jsonl"
    )


KILLED = """
import os, sys, signal
sys.path.insert(0, {folder!r})
from gammapo import generation
from gammapo.benchmark import on_policy
from gammapo.generation import Sampling
from gammapo.types import Message
on_policy.PROMPTS_AT_ONCE = 2
class Length:
    calls = 0
    def score(self, prompts, answers):
        self.calls += 1
        if self.calls == {die_at}:
            os.kill(os.getpid(), signal.SIGKILL)
        return [float(len(answer)) for answer in answers]
backend = generation.create("transformers", model={model!r})
prompts = [(Message(role="user", content=f"Tell me about {{number}}."),) for number in range(6)]
sampling = Sampling(n=24, temperature=2.0, max_new_tokens=60)
on_policy.sample_pairs(prompts, backend, Length(), sampling, {out!r}, scorer_name="length")
"""


def test_killed_at_any_batch_it_ends_with_the_same_files(tiny_model_dir, tmp_path):
    def run(out: str, die_at: int) -> int:
        code = KILLED.format(folder=str(Path.cwd()), model=str(tiny_model_dir), out=out, die_at=die_at)
        return subprocess.run([sys.executable, "-c", code], capture_output=True).returncode

    whole, killed = tmp_path / "whole.jsonl", tmp_path / "killed.jsonl"
    assert run(str(whole), 0) == 0
    assert run(str(killed), 2) == -signal.SIGKILL
    assert not killed.exists()
    assert len(samples_path(killed).read_text().splitlines()) == 1 + 2
    assert run(str(killed), 0) == 0
    assert killed.read_bytes() == whole.read_bytes()
    assert samples_path(killed).read_bytes() == samples_path(whole).read_bytes()
    assert json.loads(samples_path(whole).read_text().splitlines()[0])["scorer"] == "length"
