"""On-policy pairs: sample several answers a prompt, score them, keep the best against the worst.

All samples stay in a side file, so that a killed run goes on where it stood and the same samples can be
scored anew without sampling again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from gammapo import data, files
from gammapo.benchmark.samples import Answer, Sampled, SampleFile
from gammapo.errors import InputError, RunError
from gammapo.generation import Backend, RefusedError, Sampling
from gammapo.generation.identity import settings, written
from gammapo.judging import Scorer
from gammapo.judging.scorers import checked_scores
from gammapo.types import Generation, Message, PreferencePair

PROMPTS_AT_ONCE = 32
DROPS = {
    "unfinished": "fewer than two answers that ended by themselves",
    "tie": "best and worst score alike",
    "identical": "best and worst are the same text",
}


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The pairs, and how many prompts gave none, by the keys of `DROPS`."""

    pairs: list[PreferencePair]
    dropped: dict[str, int]


def sample_pairs(
    prompts: Sequence[Sequence[Message]],
    backend: Backend,
    scorer: Scorer,
    sampling: Sampling,
    out: str | Path,
    *,
    scorer_name: str,
    min_gap: float = 0.0,
    rescore: bool = False,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Selection, list[Sampled]]:
    """Write best-against-worst pairs to `out`, and every sample with its score to `<out>.samples.jsonl`.

    Where no prompt gives a pair, `out` is not written.

    Args:
        prompts: each prompt once; a repeat is answered once.
        sampling: `n` answers a prompt, at least 2.
        scorer_name: recorded with the scores; other scores in the side file are refused.
        min_gap: a best score at most this far above the worst is a tie.
        rescore: score stored samples again, with this scorer, and replace the pairs in `out` that were made
            of them. The samples are kept, so that model and sampling must be those that drew them; where more
            are to be drawn, also the backend, its settings and the time at which the model was written.
        overwrite: replace `out`, and without `rescore` drop a side file made by another model or sampling.
        progress: called with (prompts done, prompts).

    Raises:
        InputError: `out` exists; the side file belongs to another run; n below 2; unusable scores.
        RunError: the backend failed, or refused some prompts after it had answered all others. What came is
            kept in the side file.
    """
    out = Path(out)
    if sampling.n < 2:
        raise InputError(f"got {sampling.n}", field="samples_per_prompt", expected="at least 2")
    check_output(out, rescore=rescore, overwrite=overwrite)
    run = {"model": backend.name, "scorer": scorer_name, **asdict(sampling)}
    distinct = list(dict.fromkeys(tuple(prompt) for prompt in prompts))
    run |= _drawn_by(samples_path(out), run, backend, rescored=distinct if rescore else None)
    if rescore:
        _refuse_other_samples(samples_path(out), run)
    store = SampleFile(samples_path(out), run, rescore=rescore, overwrite=overwrite)
    known = store.read()
    done = sum(prompt in known for prompt in distinct)
    missing = [prompt for prompt in distinct if prompt not in known]
    refused: dict[int, Exception] = {}  # by place among the missing
    for start in range(0, len(missing), PROMPTS_AT_ONCE):
        batch = missing[start : start + PROMPTS_AT_ONCE]
        drawn, failure = _draw(batch, backend, sampling)
        drawn = score(drawn, scorer, scorer_name)
        store.append(drawn)
        known |= {one.prompt: one for one in drawn}
        if isinstance(failure, RefusedError):
            refused |= {start + place: why for place, why in failure.refused.items()}
        elif failure is not None:
            raise failure
        if progress:
            progress(done + start + len(batch), len(distinct))
    if refused:
        first = min(refused)
        raise RunError(
            f"{len(refused)} of {len(distinct)} prompts were refused, the first is "
            f"{missing[first][-1].content[:60]!r}, because: {refused[first]}. All other samples are kept in "
            f"{samples_path(out)}; shorten or drop those prompts, and the same command makes the pairs"
        )
    sampled = [known[prompt] for prompt in distinct]
    rescored = score(sampled, scorer, scorer_name)
    if rescored != sampled:
        sampled = rescored
        store.replace(known | {one.prompt: one for one in sampled})
    chosen = select(sampled, min_gap=min_gap)
    if chosen.pairs:
        data.write_pairs(out, chosen.pairs, overwrite=overwrite or rescore)
    return chosen, sampled


def _draw(
    prompts: Sequence[tuple[Message, ...]], backend: Backend, sampling: Sampling
) -> tuple[list[Sampled], RunError | None]:
    """The prompts that were answered, in their order, with their answers; and what the others failed by."""
    came: dict[int, list[Generation]] = {}
    failure = None
    try:
        backend.generate(prompts, sampling, on_result=came.__setitem__)
    except RunError as error:
        failure = error
    drawn = [
        Sampled(
            prompt=prompts[place],
            answers=tuple(
                Answer(text=one.text, finish_reason=one.finish_reason, tokens=len(one.token_ids))
                for one in came[place]
            ),
        )
        for place in sorted(came)
    ]
    return drawn, failure


def _drawn_by(
    side: Path, run: Mapping[str, Any], backend: Backend, *, rescored: Sequence[tuple[Message, ...]] | None
) -> dict[str, Any]:
    """What the header of the side file has to say beside `run`: backend, its settings, the model's time.

    It is what the header says already, and so no difference, where
    - an older gammapo wrote it, which noted nothing of this: its samples stay usable;
    - `rescored`, the prompts whose samples are scored anew, all have theirs: then nothing is drawn, and it
      does not matter that the model was copied or trained on since.
    """
    now = {**settings(backend), "model_written": written(backend.name)}
    if not side.is_file():
        return now
    stored = SampleFile(side, {}).read()  # which refuses what is no file of samples
    header = json.loads(side.read_bytes().partition(b"\n")[0])
    if "backend" in header and not (rescored is not None and all(prompt in stored for prompt in rescored)):
        return now
    return {key: value for key, value in header.items() if key not in run}


def check_output(out: str | Path, *, rescore: bool = False, overwrite: bool = False) -> None:
    """Whether pairs may be written to `out`; cheap, and so to be asked before a model is loaded.

    Raises:
        InputError: `out` exists, `overwrite` is off, and its pairs are not those that `rescore` makes anew.
    """
    out = Path(out)
    if overwrite or not out.exists():
        return
    if not rescore:
        files.refuse_existing(out)
    elif not _is_of_samples(out):
        raise InputError(
            "holds other pairs than those of its samples",
            file=out,
            expected=f"pairs made from {samples_path(out).name}, as they were written",
            fix="name another output, or pass --overwrite",
        )


def _is_of_samples(out: Path) -> bool:
    """Whether all pairs of a file are of two stored answers, the better scored one chosen."""
    side = samples_path(out)
    if not side.is_file():
        return False
    stored = SampleFile(side, {}).read()
    answers = {prompt: {answer.text for answer in one.answers} for prompt, one in stored.items()}
    try:
        loaded = data.load_pairs(out)
    except InputError:
        return False
    return not loaded.report.noise_marker and all(
        {pair.chosen, pair.rejected} <= answers.get(pair.prompt, set())
        and (pair.chosen_score or 0) > (pair.rejected_score or 0)
        for pair in loaded.pairs
    )


def _refuse_other_samples(side: Path, run: Mapping[str, Any]) -> None:
    """Raise InputError if stored samples were drawn in another way than `run` says, whoever scored them."""
    if not side.is_file():
        return
    drawn = json.loads(side.read_bytes().partition(b"\n")[0])
    other = [key for key in run if key != "scorer" and drawn.get(key) != run[key]]
    if other:
        raise InputError(
            "holds samples drawn with " + ", ".join(f"{key} {drawn.get(key)!r}" for key in other),
            file=side,
            expected="the same as asked for now, " + ", ".join(f"{key} {run[key]!r}" for key in other),
            fix="repeat that run's options to score its samples again, or leave --rescore out to draw others",
        )


def samples_path(out: str | Path) -> Path:
    """The side file of a pair file: `pairs.jsonl` (or `.jsonl.gz`) → `pairs.samples.jsonl`."""
    out = Path(out)
    stem = out.name.removesuffix(".gz").removesuffix(".jsonl")
    return out.with_name(stem + ".samples.jsonl")


def score(sampled: Sequence[Sampled], scorer: Scorer, name: str) -> list[Sampled]:
    """The same with the scorer's scores where there was none; an empty answer has none."""
    places = [
        (row, number)
        for row, one in enumerate(sampled)
        for number, answer in enumerate(one.answers)
        if answer.text.strip() and answer.score is None
    ]
    if not places:
        return list(sampled)
    prompts = [sampled[row].prompt for row, _ in places]
    texts = [sampled[row].answers[number].text for row, number in places]
    scores = dict(zip(places, checked_scores(scorer, prompts, texts, name), strict=True))
    return [
        replace(
            one,
            answers=tuple(
                replace(answer, score=scores.get((row, number), answer.score))
                for number, answer in enumerate(one.answers)
            ),
        )
        for row, one in enumerate(sampled)
    ]


def select(sampled: Sequence[Sampled], *, min_gap: float = 0.0) -> Selection:
    """Best against worst, a pair a prompt at most."""
    pairs, dropped = [], dict.fromkeys(DROPS, 0)
    for one in sampled:
        found = best_against_worst(one, min_gap=min_gap)
        if isinstance(found, str):
            dropped[found] += 1
        else:
            pairs.append(found)
    return Selection(pairs=pairs, dropped=dropped)


def best_against_worst(sampled: Sampled, *, min_gap: float = 0.0) -> PreferencePair | str:
    """The pair that these samples give, or why they give none (a key of `DROPS`).

    An answer that was cut at the limit is no answer and takes no part. Among equally good and equally bad
    answers, those two are taken whose lengths differ least, so that length tells little about the label.
    """
    usable = [one for one in sampled.answers if one.finish_reason == "stop" and one.score is not None]
    if len(usable) < 2:
        return "unfinished"
    scores = [one.score for one in usable if one.score is not None]
    high, low = max(scores), min(scores)
    if high - low <= min_gap:
        return "tie"
    best = [one for one in usable if one.score == high]
    worst = [one for one in usable if one.score == low]
    chosen, rejected = min(
        ((b, w) for b in best for w in worst), key=lambda two: abs(two[0].tokens - two[1].tokens)
    )
    if chosen.text == rejected.text:
        return "identical"
    return PreferencePair(
        id=data.pair_id(sampled.prompt, chosen.text, rejected.text),
        prompt=sampled.prompt,
        chosen=chosen.text,
        rejected=rejected.text,
        chosen_score=high,
        rejected_score=low,
    )
