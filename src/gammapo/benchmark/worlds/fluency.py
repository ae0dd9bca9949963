"""Per-token log-probs of answers under a frozen base model that is given explicitly.

The base reads the answer alone, at the start of an assistant's turn, without the prompt: what is asked here
is whether the text is English that makes sense, not whether the base would have answered so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True, kw_only=True)
class AnswerLogps:
    """What the base thinks of one answer, in nats.

    `tokens` are the log-probs of the answer's tokens in order, each given what came before; `end` is that of
    ending the turn right after the answer.
    """

    tokens: tuple[float, ...]
    end: float

    @property
    def mean(self) -> float:
        """Log-prob a token; 0 for an empty answer."""
        return sum(self.tokens) / len(self.tokens) if self.tokens else 0.0

    def worst_window(self, size: int) -> float:
        """Lowest mean over `size` consecutive tokens (over all of them, if they are fewer).

        Text added behind an answer leaves its windows as they were, so padding cannot dilute a bad passage.
        """
        size = max(1, min(size, len(self.tokens)))
        sums = [sum(self.tokens[start : start + size]) for start in range(len(self.tokens) - size + 1)]
        return min(sums, default=0.0) / size


def answer_logps(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    answers: Sequence[str],
    *,
    batch_size: int = 16,
    max_tokens: int = 256,
) -> list[AnswerLogps]:
    """Score every answer; the model is left in the mode in which it came.

    Args:
        model: the frozen base; it is read, never trained.
        tokenizer: its tokenizer.
        batch_size: answers read at once.
        max_tokens: an answer's tokens beyond this are not read.
    """
    import torch

    from gammapo.data import chat_format

    end = chat_format(tokenizer).end_of_turn
    if end is None:
        end = int(tokenizer.eos_token_id)  # pyright: ignore[reportArgumentType]
    opening = turn_opening(tokenizer)
    rows = [
        [*tokenizer(answer.strip(), add_special_tokens=False)["input_ids"][:max_tokens], end]
        for answer in answers
    ]
    order = sorted(range(len(rows)), key=lambda index: len(rows[index]))
    found: dict[int, AnswerLogps] = {}
    training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            for start in range(0, len(order), batch_size):
                batch = order[start : start + batch_size]
                for index, logps in zip(batch, _batch(model, opening, [rows[i] for i in batch]), strict=True):
                    *tokens, last = logps.tolist()
                    found[index] = AnswerLogps(tokens=tuple(tokens), end=last)
    finally:
        model.train(training)
    return [found[index] for index in range(len(rows))]


def turn_opening(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Ids with which the chat template opens an assistant's turn; BOS or end of text without a template."""
    if tokenizer.chat_template:
        turn = [{"role": "user", "content": "x"}]
        asked = str(tokenizer.apply_chat_template(turn, tokenize=False))
        opened = str(tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True))
        ids = tokenizer(opened.removeprefix(asked), add_special_tokens=False)["input_ids"]
        if ids:
            return list(ids)
    first = tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id
    return [int(first)]  # pyright: ignore[reportArgumentType]


def _batch(model: PreTrainedModel, opening: list[int], rows: Sequence[list[int]]) -> list[Tensor]:
    """Log-probs of every row's tokens after the common opening, read in one padded batch."""
    import torch

    longest = len(opening) + max(map(len, rows))
    ids = torch.zeros(len(rows), longest, dtype=torch.long)
    for place, row in enumerate(rows):
        ids[place, : len(opening) + len(row)] = torch.tensor(opening + row)
    lengths = torch.tensor([len(opening) + len(row) for row in rows])
    seen = (torch.arange(longest) < lengths[:, None]).long().to(model.device)
    ids = ids.to(model.device)
    # the last opening token predicts the answer's first, the last token predicts nothing
    logits = model(input_ids=ids, attention_mask=seen).logits[:, len(opening) - 1 : -1].float()
    logps = torch.log_softmax(logits, dim=-1).gather(-1, ids[:, len(opening) :, None]).squeeze(-1).cpu()
    return [logps[place, : len(row)] for place, row in enumerate(rows)]
