"""A chat model as judge, behind any OpenAI-compatible server: no reply is lost, none is paid for twice."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gammapo.endpoint import Endpoint, EndpointError, has_answer, split_model_at_url
from gammapo.errors import InputError, RunError
from gammapo.judging import wording
from gammapo.judging.asking import MAY_NOT, Asking
from gammapo.judging.estimate import Budget, Estimate, estimate
from gammapo.judging.record import Record, existing, request_key, server_model
from gammapo.judging.spec import Comparison, Progress
from gammapo.judging.template import load_template
from gammapo.types import Judgement

Request = dict[str, Any]
EQUAL = "equal outputs, a draw without a call"
ORDERS = ("random", "both", "fixed")


@dataclass(frozen=True)
class Asked:
    """One request of a comparison."""

    request: Request
    swapped: bool  # the model's answer is shown first


class ChatJudge:
    """Judges by one token a comparison, weighted by its log-probs.

    Args:
        target: "MODEL@URL"; without "@URL", OpenAI. The key is read from GAMMAPO_API_KEY, or, for OpenAI's
            own host only, from OPENAI_API_KEY.
        record: SQLite file of replies; None keeps them in memory.
        order: which answer is shown first: "random" (by a hash of the comparison), "both" (two calls,
            averaged), or "fixed" (the reference).
        hard_labels: accept a server without log-probs; its letter then counts as certain.
        top_logprobs: likeliest tokens asked for; most servers allow 5 to 20.
        concurrency: calls in flight at once.
        deadline, attempts, backoff: see `Endpoint`.
        max_failures: calls that may fail for good before judging is broken off, those included that leave
            only their own comparison unjudged.
        question: file of another question, see `template`; None asks ours, which quotes texts so that they
            cannot pose as the prompt.
        letters: what names the answer shown first and the second, each one token of the judge's.
        budget: prices and caps, checked before the first call.
        on_estimate: told the estimate before the first call.
    """

    def __init__(
        self,
        target: str,
        *,
        record: str | Path | None = None,
        order: str = "random",
        hard_labels: bool = False,
        top_logprobs: int = 5,
        concurrency: int = 8,
        deadline: float = 120.0,
        attempts: int = 6,
        backoff: float = 1.0,
        max_failures: int = 10,
        question: str | Path | None = None,
        letters: tuple[str, str] = wording.LABELS,
        budget: Budget | None = None,
        on_estimate: Callable[[Estimate], None] | None = None,
    ):
        if order not in ORDERS:
            raise InputError(f"got {order!r}", field="order", expected="one of " + ", ".join(ORDERS))
        if len(set(letters)) != 2 or not all(one and one == one.strip() for one in letters):
            raise InputError(
                f"got {letters!r}",
                field="letters",
                expected="two that differ, without spaces, such as m and M",
            )
        self.letters, self.template = letters, None if question is None else load_template(question)
        self.model, url = split_model_at_url(target)
        self.name = f"openai:{self.model}"
        self.endpoint = Endpoint(url=url, deadline=deadline, attempts=attempts, backoff=backoff)
        self.record_path, self.order, self.hard_labels = record, order, hard_labels
        self.top_logprobs, self.concurrency = top_logprobs, max(1, concurrency)
        self.max_failures = max_failures
        self.budget, self.on_estimate = budget or Budget(), on_estimate

    def estimate(self, comparisons: Sequence[Comparison]) -> Estimate:
        """What judging would still cost, without a call; nothing is written."""
        with Record(existing(self.record_path)) as record:
            return self._estimate(record, self._missing(record, self._requests(record, comparisons)))

    def judge(
        self, comparisons: Sequence[Comparison], *, progress: Progress | None = None
    ) -> list[Judgement]:
        """See `Judge.judge`. A request that the server refuses leaves its comparison unjudged, with a note.

        Raises:
            InputError: the estimate is over a cap, or the server lacks what weighting needs.
            RunError: some calls failed for good, or the server changed its model. Replies stay recorded.
        """
        with Record(self.record_path) as record:
            asked = self._requests(record, comparisons)
            missing = self._missing(record, asked)
            refused: Mapping[str, EndpointError] = {}
            if missing:
                expected = self._estimate(record, missing)
                if self.on_estimate:
                    self.on_estimate(expected)
                self.budget.check(expected)
                heard = self._known_model(record) is None  # the probe is asked now, and not found
                model = self._probe(record)
                if len(self._missing(record, asked)) > len(missing):
                    raise RunError(
                        f"{self.name}: the server answers as {model} now, and the recorded replies are "
                        "another model's; judgements of two models are not mixed. Judge again with a new "
                        "--record"
                    )
                refused = self._ask_all(record, missing, model, heard, progress)
            return [
                self._judgement(record, comparison, requests, refused)
                for comparison, requests in zip(comparisons, asked, strict=True)
            ]

    def _requests(self, record: Record, comparisons: Sequence[Comparison]) -> list[list[Asked]]:
        return [
            [
                Asked(self._request(record, comparison, swapped), swapped)
                for swapped in self._orders(comparison)
            ]
            for comparison in comparisons
        ]

    def _request(self, record: Record, comparison: Comparison, swapped: bool) -> Request:
        return wording.request(
            comparison,
            model=self.model,
            secret=record.secret,
            swapped=swapped,
            top_logprobs=self.top_logprobs,
            labels=self.letters,
            template=self.template,
        )

    def _read(self, reply: Mapping[str, Any]) -> wording.Reading:
        return wording.read(reply, self.letters)

    def _orders(self, comparison: Comparison) -> tuple[bool, ...]:
        """Whether the model's answer is shown first, one entry a call; none for equal answers, a draw."""
        if comparison.output_1 == comparison.output_2:
            return ()
        if self.order == "both":
            return (False, True)
        if self.order == "fixed":
            return (False,)
        # one bit of the two texts, whichever is the model's: with the sides exchanged too, each is shown
        # first once, and a liking for the first place cancels in the mean of both
        texts = "\0".join((comparison.instruction, *sorted((comparison.output_1, comparison.output_2))))
        digest = hashlib.sha256(texts.encode("utf-8", errors="surrogatepass")).digest()
        return (digest[0] % 2 == 1,)

    def _missing(self, record: Record, asked: Sequence[Sequence[Asked]]) -> list[Request]:
        """The distinct requests without a recorded answer of the server's model."""
        known = self._known_model(record)
        distinct = {request_key(one.request): one.request for requests in asked for one in requests}
        return [request for request in distinct.values() if _found(record, request, known) is None]

    def _known_model(self, record: Record) -> str | None:
        reply = _found(record, self._probe_request(record))
        return None if reply is None else server_model(reply, {"model": self.model})

    def _probe_request(self, record: Record) -> Request:
        return self._request(record, wording.PROBE, False)

    def _estimate(self, record: Record, missing: Sequence[Request]) -> Estimate:
        requests = list(missing)
        if requests and self._known_model(record) is None:
            requests.insert(0, self._probe_request(record))
        return estimate(requests, self.budget, record.characters_per_token())

    def _probe(self, record: Record) -> str:
        """The server's name for its model, after one recorded call that shows that weighting works."""
        request = self._probe_request(record)
        reply = _found(record, request)
        if reply is None or not self._suffices(self._read(reply)):  # it may have been mended since
            try:
                reply = self._endpoint(record).chat(request)
            except EndpointError as error:
                hint = f". {MAY_NOT}" if error.denied else ""
                raise RunError(f"{self.name}: the first call failed: {error}{hint}") from error
            record.commit(request, reply, replace=True)
        reading = self._read(reply)
        labels = " and ".join(self.letters)
        if reading.mass is None and not self.hard_labels:
            raise InputError(
                f"the server {self.endpoint.url} returns no log-probs",
                field="judge",
                expected="top_logprobs with every reply",
                fix="take a server or model that gives them, or accept bare letters with --hard-labels",
            )
        if reading.first is None or reading.note == wording.FAINT:
            faint = "" if reading.first is None else f" (together {reading.mass:.1g} of the probability)"
            raise InputError(
                f"{self.model} was asked for {labels} and replied with neither{faint}",
                field="judge",
                expected=f"a model whose first token is {labels}",
                fix="take a stronger judge, one that does not think before it replies",
            )
        return server_model(reply, request)

    def _suffices(self, reading: wording.Reading) -> bool:
        clear = reading.first is not None and reading.note != wording.FAINT
        return clear and (self.hard_labels or reading.mass is not None)

    def _endpoint(self, record: Record) -> Endpoint:
        return replace(self.endpoint, on_fault=record.note_fault)

    def _ask_all(
        self,
        record: Record,
        missing: Sequence[Request],
        expected: str,
        heard: bool,
        progress: Progress | None,
    ) -> Mapping[str, EndpointError]:
        """Record a reply to every request that the server answers; say why not to the others, by their key.

        Raises:
            RunError: a call failed for another reason than its request, or too many failed.
        """
        asking = Asking(
            endpoint=self._endpoint(record),
            record=record,
            model=expected,
            max_failures=self.max_failures,
            probe=self._probe_request(record),
            heard=heard,
        )
        asking.ask_all(missing, concurrency=self.concurrency, progress=progress)
        if asking.strangers:
            raise RunError(
                f"{self.name}: the server answered as {expected} first and then as "
                f"{', '.join(sorted(asking.strangers))}; judgements of two models are not mixed. "
                "Judge again with a new --record"
            )
        too_many = len(asking.failures) > self.max_failures
        if too_many or len(asking.failures) > len(asking.alone):
            left = len(missing) - asking.replies
            gravest = min(asking.failures, key=lambda error: (not error.fatal, error.alone))
            limit = f"After more than {self.max_failures} (--max-failures) judging is broken off. "
            raise RunError(
                f"{self.name}: {left} of {len(missing)} calls stayed without a reply, because: "
                f"{gravest}. {limit if too_many else ''}All other replies are recorded; the same "
                "command asks only for the rest"
            )
        return asking.alone

    def _judgement(
        self,
        record: Record,
        comparison: Comparison,
        asked: Sequence[Asked],
        refused: Mapping[str, EndpointError],
    ) -> Judgement:
        if not asked:
            return comparison.judged(1.5, self.name, note=EQUAL)
        known = self._known_model(record)
        wins, notes = [], set()
        for one in asked:
            reply = _found(record, one.request, known)
            if reply is None:
                notes.add(_unanswered(refused[request_key(one.request)]))
                continue
            reading = self._read(reply)
            notes |= {reading.note} - {""}
            if reading.first is not None:
                wins.append(reading.first if one.swapped else 1 - reading.first)
        whole = len(wins) == len(asked)
        extra: dict[str, Any] = {"server_model": known, "model_shown_first": [one.swapped for one in asked]}
        if len(asked) > 1 and whole:
            extra["preference_by_order"] = [1 + win for win in wins]
        if notes:
            extra["note"] = "; ".join(sorted(notes))
        preference = 1 + sum(wins) / len(wins) if whole else None
        return comparison.judged(preference, self.name, **extra)


def _found(record: Record, request: Request, server_model: str | None = None) -> dict[str, Any] | None:
    """The recorded reply, unless it holds no answer, as some older records' replies do."""
    reply = record.find(request, server_model)
    return reply if has_answer(reply) else None


def _unanswered(error: EndpointError) -> str:
    """The note of a comparison without a reply; notes are joined by semicolons, so it has none."""
    return f"no reply: {error}".replace(";", ",")
