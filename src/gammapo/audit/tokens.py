"""Checks that need a tokenizer: template and BOS faults, control tokens in texts, rows that will be cut."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from gammapo.audit.findings import Finding, Hit
from gammapo.data import ChatFormat, chat_format
from gammapo.data.chat import special_ids
from gammapo.data.tokenize import BATCH, Encoded, encode_pairs
from gammapo.errors import InputError
from gammapo.types import PreferencePair

NO_MODEL = "no model given (--model)"


def token_checks(
    pairs: Sequence[PreferencePair], tokenizer: Any | None, max_length: int
) -> tuple[Finding, Finding]:
    """Template faults, and pairs longer than `max_length` tokens."""
    faults, long = [], []
    lost, names = 0, [] if tokenizer is None else control_names(tokenizer)
    for pair, ids in _encoded(pairs, tokenizer) if tokenizer is not None else ():
        detail, excess = _token_faults(ids, tokenizer, max_length)
        hits = list(_control_tokens(pair, names))
        if detail:
            hits.append(Hit(id=pair.id, origin=pair.origin, detail=detail))
        faults += hits
        if excess > 0:
            lost += excess
            long.append(Hit(id=pair.id, origin=pair.origin, detail=f"{excess} tokens over {max_length}"))
    skipped = NO_MODEL if tokenizer is None else ""
    return (
        Finding(
            name="template",
            title="template and BOS faults",
            meaning="The model would read something else than what was written.",
            hits=tuple(faults),
            skipped=skipped,
        ),
        Finding(
            name="too_long",
            title=f"longer than {max_length} tokens",
            meaning="These rows will be cut or dropped in training.",
            hits=tuple(long),
            note=f"{lost} tokens in all" if long else "",
            skipped=skipped,
        ),
    )


def control_names(tokenizer: Any) -> list[str]:
    """The control tokens as they are written, those of one or two characters left out."""
    names = (tokenizer.convert_ids_to_tokens(token) for token in sorted(special_ids(tokenizer)))
    return [name for name in names if name and len(name) > 2]


def _encoded(
    pairs: Sequence[PreferencePair], tokenizer: Any
) -> Iterator[tuple[PreferencePair, Encoded | InputError]]:
    """Each pair's ids, or why there are none; the format is probed once, and pairs go in batches."""
    fmt = chat_format(tokenizer)
    for start in range(0, len(pairs), BATCH):
        batch = pairs[start : start + BATCH]
        try:
            yield from zip(batch, encode_pairs(batch, tokenizer, fmt), strict=True)
        except InputError:
            yield from ((pair, _alone(pair, tokenizer, fmt)) for pair in batch)


def _alone(pair: PreferencePair, tokenizer: Any, fmt: ChatFormat) -> Encoded | InputError:
    try:
        return encode_pairs([pair], tokenizer, fmt)[0]
    except InputError as error:
        return error


def _token_faults(ids: Encoded | InputError, tokenizer: Any, max_length: int) -> tuple[str, int]:
    """What the template does wrong with a pair, and by how many tokens it exceeds the limit."""
    if isinstance(ids, InputError):
        return ids.problem, 0
    bos, detail = tokenizer.bos_token_id, ""
    if ids.chosen == ids.rejected:
        detail = "both answers become the same tokens"
    elif bos is not None and ids.prompt[:2] == [bos, bos]:
        detail = "two BOS tokens"
    return detail, len(ids.prompt) + max(len(ids.chosen), len(ids.rejected)) - max_length


def _control_tokens(pair: PreferencePair, names: Sequence[str]) -> Iterator[Hit]:
    prompt = "\n".join(message.content for message in pair.prompt)
    for side, text in (("prompt", prompt), ("chosen", pair.chosen), ("rejected", pair.rejected)):
        found = next((name for name in names if name in text), None)
        if found:
            detail = f"the text holds the control token {found}"
            yield Hit(id=pair.id, origin=pair.origin, detail=detail, side=side)
