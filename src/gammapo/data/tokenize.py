"""Pairs to token ids: the prompt once, each answer after it, every token lost to a limit accounted for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from gammapo.data.chat import ChatFormat, chat_format, conversation_text, prompt_text, token_ids, with_bos
from gammapo.errors import InputError
from gammapo.types import Message, PreferencePair, TokenizedPair

Truncation = Literal["keep_end", "drop", "raise"]
BATCH = 512  # pairs handed to the tokenizer at once


@dataclass(kw_only=True)
class TruncationReport:
    """What limits cost. Tokens lost are counted per side; a dropped pair counts in `dropped` only.

    `resplit` counts answers whose first token would have merged with the prompt's last: they are encoded on
    their own, as a model meets them when it generates.
    """

    max_length: int
    max_prompt_length: int | None
    truncation: Truncation
    pairs: int = 0
    prompts_cut: int = 0
    prompt_tokens_lost: int = 0
    chosen_cut: int = 0
    chosen_tokens_lost: int = 0
    rejected_cut: int = 0
    rejected_tokens_lost: int = 0
    resplit: int = 0
    dropped: dict[str, str] = field(default_factory=dict)  # pair id → reason

    def describe(self) -> str:
        """One line a person can read."""
        cuts = (
            ("prompts", self.prompts_cut, self.prompt_tokens_lost),
            ("chosen answers", self.chosen_cut, self.chosen_tokens_lost),
            ("rejected answers", self.rejected_cut, self.rejected_tokens_lost),
        )
        said = [f"{count} {what} cut ({lost} tokens lost)" for what, count, lost in cuts if count]
        if self.dropped:
            said.append(f"{len(self.dropped)} pairs dropped")
        return f"{self.pairs} pairs within {self.max_length} tokens; " + (", ".join(said) or "nothing cut")


@dataclass(frozen=True, kw_only=True)
class TokenizedPairs:
    """Tokenised pairs in input order, dropped ones left out, and what the limits cost."""

    pairs: list[TokenizedPair]
    report: TruncationReport


class Encoded(NamedTuple):
    """A pair's ids before any limit."""

    prompt: list[int]
    chosen: list[int]
    rejected: list[int]


def tokenize_pairs(
    pairs: Sequence[PreferencePair],
    tokenizer: Any,
    *,
    max_length: int,
    max_prompt_length: int | None = None,
    truncation: Truncation = "keep_end",
) -> TokenizedPairs:
    """Encode pairs with the chat template applied once and exactly one BOS.

    Each answer ends with the end-of-turn token if and only if it was not cut. Where prompt and answer exceed
    `max_length` tokens, `truncation` decides:
    - "keep_end": the prompt loses its beginning (never its BOS), down to what the longer answer leaves but
      to no less than half of `max_length`, or to `max_prompt_length` where given; then answers lose their
      end. A pair whose answers have become equal, or one of them empty, is dropped and counted.
    - "drop": leave the pair out, counted.
    - "raise": an error that names the pair.

    Under any of them a pair whose answers are the same tokens is dropped and counted.

    Raises:
        InputError: naming the row, where the answer's text does not follow the prompt's text in the template;
            a limit is exceeded under "raise"; or no pair is left.
    """
    _check_limits(max_length, max_prompt_length, truncation)
    report = TruncationReport(
        max_length=max_length, max_prompt_length=max_prompt_length, truncation=truncation
    )
    fmt = chat_format(tokenizer)
    shared: dict[int, int] = {}
    done: list[TokenizedPair] = []
    for start in range(0, len(pairs), BATCH):
        batch = pairs[start : start + BATCH]
        for pair, encoded in zip(batch, _encode(batch, tokenizer, fmt, report), strict=True):
            fitted = _fit(pair, encoded, fmt, report)
            if fitted is not None:
                done.append(_tokenized(pair, fitted, shared))
    report.pairs = len(done)
    if pairs and not done:
        raise InputError(
            f"no pair fits: {report.describe()}", field="max_length", fix="raise the limit of tokens"
        )
    return TokenizedPairs(pairs=done, report=report)


def encode_pair(pair: PreferencePair, tokenizer: Any) -> Encoded:
    """One pair's ids without any limit."""
    return encode_pairs([pair], tokenizer, chat_format(tokenizer))[0]


def encode_pairs(pairs: Sequence[PreferencePair], tokenizer: Any, fmt: ChatFormat) -> list[Encoded]:
    """The ids of several pairs without any limit, in one call of the tokenizer.

    Raises:
        InputError: naming the first row that the template refuses or rewrites.
    """
    report = TruncationReport(max_length=0, max_prompt_length=None, truncation="keep_end")
    return _encode(pairs, tokenizer, fmt, report)


def _check_limits(max_length: int, max_prompt_length: int | None, truncation: str) -> None:
    if max_length < 4:
        raise InputError(f"is {max_length}", field="max_length", expected="at least 4 tokens")
    if max_prompt_length is not None and not 1 < max_prompt_length < max_length:
        raise InputError(
            f"is {max_prompt_length}",
            field="max_prompt_length",
            expected=f"between 2 and max_length - 1 = {max_length - 1} tokens",
        )
    if truncation not in ("keep_end", "drop", "raise"):
        raise InputError(f"unknown {truncation!r}", field="truncation", expected="keep_end, drop or raise")


def _encode(
    pairs: Sequence[PreferencePair], tokenizer: Any, fmt: ChatFormat, report: TruncationReport
) -> list[Encoded]:
    """Ids of prompts and of whole conversations, tokenised in one call, then split at the prompt's end."""
    texts: list[str] = []
    for pair in pairs:
        prompt, *answers = _texts(pair, tokenizer)
        texts += [prompt, *answers]
    if not texts:
        return []
    ids = [list(one) for one in tokenizer(texts, add_special_tokens=False)["input_ids"]]
    encoded = []
    for index in range(len(pairs)):
        prompt, chosen, rejected = ids[3 * index : 3 * index + 3]
        start, *ends = texts[3 * index : 3 * index + 3]
        sides = []
        for whole, text in zip((chosen, rejected), ends, strict=True):
            if whole[: len(prompt)] == prompt:
                answer = whole[len(prompt) :]
            else:
                report.resplit += 1
                answer = token_ids(tokenizer, text[len(start) :])
            sides.append(_finished(answer, fmt))
        encoded.append(Encoded(with_bos(prompt, fmt.bos, tokenizer.bos_token_id), *sides))
    return encoded


def _texts(pair: PreferencePair, tokenizer: Any) -> tuple[str, str, str]:
    """Prompt, prompt + chosen and prompt + rejected as text, the first a prefix of the others."""
    try:
        start = prompt_text(tokenizer, pair.prompt)
        whole = [
            conversation_text(tokenizer, (*pair.prompt, Message(role="assistant", content=answer)))
            for answer in (pair.chosen, pair.rejected)
        ]
    except InputError as error:
        raise _at(pair, error.problem, field=error.field or "prompt", fix=error.fix) from error
    for side, text in zip(("chosen", "rejected"), whole, strict=True):
        if not text.startswith(start):
            raise _at(
                pair,
                "the chat template writes the prompt differently once an answer follows, "
                "so the two answers share no prompt",
                field=side,
                fix="take a template that only appends (without rewriting earlier turns or hidden thoughts)",
            )
    return start, whole[0], whole[1]


def _finished(answer: list[int], fmt: ChatFormat) -> list[int]:
    """The completion up to and with its end-of-turn token."""
    cut = len(fmt.trailer)
    if cut and tuple(answer[-cut:]) == fmt.trailer:
        answer = answer[:-cut]
    if fmt.end_of_turn is not None and answer[-1:] != [fmt.end_of_turn]:
        return [*answer, fmt.end_of_turn]
    return answer


def _fit(pair: PreferencePair, ids: Encoded, fmt: ChatFormat, report: TruncationReport) -> Encoded | None:
    """The ids within the limits, or None if the pair is dropped."""
    if ids.chosen == ids.rejected:  # a template may trim answers that differ in white space alone
        report.dropped[pair.id] = "answers equal as tokens"
        return None
    longest = max(len(ids.chosen), len(ids.rejected))
    limit, prompt_limit = report.max_length, report.max_prompt_length
    fits = len(ids.prompt) + longest <= limit and (prompt_limit is None or len(ids.prompt) <= prompt_limit)
    if fits:
        return ids
    if report.truncation == "raise":
        raise _at(
            pair,
            f"prompt of {len(ids.prompt)} and answer of {longest} tokens exceed the limit of "
            + (f"{limit}" if prompt_limit is None else f"{limit} (prompt {prompt_limit})"),
            field="prompt" if len(ids.prompt) >= (prompt_limit or limit) else "chosen",
            fix="raise max_length, or choose truncation 'keep_end' or 'drop'",
        )
    if report.truncation == "drop":
        report.dropped[pair.id] = "too long"
        return None
    room = prompt_limit if prompt_limit is not None else max(limit - longest, limit // 2)
    prompt = ids.prompt if len(ids.prompt) <= room else _keep_end(ids.prompt, room, fmt.bos)
    chosen, rejected = ids.chosen[: limit - len(prompt)], ids.rejected[: limit - len(prompt)]
    if not chosen or not rejected or chosen == rejected:
        report.dropped[pair.id] = "answers equal once cut"
        return None
    _account(report, ids, Encoded(prompt, chosen, rejected))
    return Encoded(prompt, chosen, rejected)


def _keep_end(prompt: list[int], room: int, bos: int | None) -> list[int]:
    if bos is not None and prompt[0] == bos:
        return [bos, *prompt[len(prompt) - room + 1 :]]
    return prompt[len(prompt) - room :]


def _account(report: TruncationReport, before: Encoded, after: Encoded) -> None:
    lost = [len(old) - len(new) for old, new in zip(before, after, strict=True)]
    report.prompts_cut += lost[0] > 0
    report.prompt_tokens_lost += lost[0]
    report.chosen_cut += lost[1] > 0
    report.chosen_tokens_lost += lost[1]
    report.rejected_cut += lost[2] > 0
    report.rejected_tokens_lost += lost[2]


def _tokenized(pair: PreferencePair, ids: Encoded, shared: dict[int, int]) -> TokenizedPair:
    """`shared` holds one number for each id: a tokenizer gives every token one of its own, of 32 bytes."""
    prompt, chosen, rejected = (tuple(shared.setdefault(token, token) for token in one) for one in ids)
    return TokenizedPair(
        id=pair.id,
        prompt=prompt,
        chosen=chosen,
        rejected=rejected,
        chosen_score=pair.chosen_score,
        rejected_score=pair.rejected_score,
    )


def _at(pair: PreferencePair, problem: str, *, field: str, fix: str | None) -> InputError:
    file, _, line = pair.origin.rpartition(":")
    if file and line.isdigit():
        return InputError(problem, file=file, line=int(line), field=field, fix=fix)
    return InputError(f"pair {pair.id}: {problem}", field=field, fix=fix)
