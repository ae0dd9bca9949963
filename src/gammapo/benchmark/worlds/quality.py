"""How good an answer is as text, whatever it was asked to obey. Pure functions of text and log-probs.

An answer is as good as its worst quality, each in [0, 1]. What no one does wrong by chance is free: every
quality has a plateau at 1 that ordinary text reaches, so that there is nothing to gain by writing more, or
more likely, text. Faults are counted against at most `SPAN` words, so that further sentences cannot dilute
them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

from gammapo.benchmark.worlds.fluency import AnswerLogps
from gammapo.benchmark.worlds.text import (
    copied_ngrams,
    last_mark,
    mentions,
    repeated_words,
    words,
)

WINDOW = 16  # tokens over which the likelihood is averaged before the worst place is taken
SPAN = 12  # words against which faults are counted
# each (worst, best): quality 0 and quality 1, straight between; log-probs in nats a token
WORST_WINDOW = (-6.8, -5.4)
MEAN_TOO_HIGH = (-0.25, -0.55)
REPEATED = (0.50, 0.17)
UNKNOWN = (0.50, 0.25)
COPIED = (0.50, 0.17)
ENDS_BY_ITSELF = -3.0  # log-prob of the end of the turn from which the base itself would stop here
FEWEST_WORDS = 4
FLAWLESS = AnswerLogps(tokens=(-1.5,), end=0.0)  # log-probs with which no answer could do better


@dataclass(frozen=True, kw_only=True)
class Quality:
    """Every quality of one answer, in [0, 1].

    Attributes:
        likely: no passage that the base finds absurd.
        natural: not so likely that only degenerate text is.
        varied: does not say the same again.
        real_words: its words exist.
        on_topic: mentions the subject.
        own_words: is no copy of the prompt.
        ended: is complete.
        answered: has enough words to be an answer.
    """

    likely: float
    natural: float
    varied: float
    real_words: float
    on_topic: float
    own_words: float
    ended: float
    answered: float

    @property
    def total(self) -> float:
        """The worst of all."""
        return min(self.as_dict().values())

    def as_dict(self) -> dict[str, float]:
        return {field.name: getattr(self, field.name) for field in fields(self)}


def ramp(value: float, ends: tuple[float, float]) -> float:
    """0 at or beyond `ends[0]`, 1 at or beyond `ends[1]`, straight between."""
    worst, best = ends
    return min(1.0, max(0.0, (value - worst) / (best - worst)))


def assess(
    answer: str, *, prompt: str, noun: str, logps: AnswerLogps, is_word: Callable[[str], bool]
) -> Quality:
    """The qualities of an answer to `prompt` about `noun`.

    Args:
        answer: the text.
        prompt: what the user asked.
        noun: what the answer must mention, itself or inflected.
        logps: the base's log-probs of this answer.
        is_word: whether a word, as written, exists.
    """
    found = words(answer)
    span = max(1, min(len(found), SPAN))
    unknown = sum(not is_word(word) for word in found)
    return Quality(
        likely=ramp(logps.worst_window(WINDOW), WORST_WINDOW),
        natural=ramp(logps.mean, MEAN_TOO_HIGH),
        varied=ramp(repeated_words(answer) / span, REPEATED),
        real_words=ramp(unknown / span, UNKNOWN),
        on_topic=float(mentions(answer, noun)),
        own_words=ramp(copied_ngrams(answer, prompt) / span, COPIED),
        ended=float(_ended(answer, logps)),
        answered=float(len(found) >= FEWEST_WORDS),
    )


def _ended(answer: str, logps: AnswerLogps) -> bool:
    """Whether the text ends like a complete one, or the base would have ended it there too."""
    return last_mark(answer) in (*".!?…",) or logps.end >= ENDS_BY_ITSELF
