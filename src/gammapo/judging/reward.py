"""Reward models: sequence classifiers with one output, whose score is a log-odds (Bradley–Terry)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from gammapo.errors import InputError
from gammapo.types import Message

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class RewardScorer:
    """Scores of a reward model on the whole conversation, written by the model's own chat template.

    Args:
        path: folder or hub id.
        batch_size: conversations read at once.
        max_length: tokens; a longer conversation is refused, not cut. None takes the model's own limit.
        dtype, device: None takes CUDA where there is one.

    Raises:
        InputError: no sequence classifier there, or one with several outputs.
    """

    link = "sigmoid"

    def __init__(
        self,
        path: str,
        *,
        batch_size: int = 16,
        max_length: int | None = None,
        dtype: str = "float32",
        device: str | None = None,
    ):
        from transformers import AutoConfig, AutoModelForSequenceClassification

        from gammapo import models

        where = models.resolve(path)
        try:
            config = AutoConfig.from_pretrained(where)
        except (OSError, ValueError) as error:
            raise InputError(
                f"no model can be loaded: {error}",
                file=path,
                field="judge",
                expected="the folder or hub id of a reward model",
            ) from error
        kinds = getattr(config, "architectures", None) or []
        if not any("Classification" in name or "Reward" in name for name in kinds) or config.num_labels != 1:
            raise InputError(
                f"the model is {', '.join(kinds) or 'of no known kind'} with {config.num_labels} outputs",
                file=path,
                expected="a sequence classifier with one output (a reward model)",
            )
        self.model = AutoModelForSequenceClassification.from_pretrained(where, dtype=getattr(torch, dtype))
        self.model.to(device or ("cuda" if torch.cuda.is_available() else "cpu")).eval()
        self.tokenizer = models.load_tokenizer(path)
        self.batch_size = batch_size
        self.max_length = max_length or getattr(config, "max_position_embeddings", None)

    @torch.inference_mode()
    def score(self, prompts: Sequence[Sequence[Message]], answers: Sequence[str]) -> list[float]:
        """See `Scorer.score`. An answer's score does not depend on those that it is batched with."""
        rows = [
            conversation_ids(self.tokenizer, prompt, answer)
            for prompt, answer in zip(prompts, answers, strict=True)
        ]
        for number, row in enumerate(rows, 1):
            if self.max_length and len(row) > self.max_length:
                raise InputError(
                    f"conversation {number} has {len(row)} tokens",
                    field="judge",
                    expected=f"at most {self.max_length}, the reward model's limit",
                )
        scores = [0.0] * len(rows)
        order = sorted(range(len(rows)), key=lambda index: -len(rows[index]))
        for start in range(0, len(order), self.batch_size):
            places = order[start : start + self.batch_size]
            for place, score in zip(places, self._batch([rows[place] for place in places]), strict=True):
                scores[place] = score
        return scores

    def _batch(self, rows: list[list[int]]) -> list[float]:
        # classifiers read the score at the last token that is not padding, so padding must be a token
        # that no row holds: with a pad token that ends answers too, they would read it one place early
        used = {token for row in rows for token in row}
        pad = next(token for token in range(len(used) + 1) if token not in used)
        self.model.config.pad_token_id = pad
        self.model.config.get_text_config().pad_token_id = pad
        longest = max(map(len, rows))
        ids = torch.tensor([row + [pad] * (longest - len(row)) for row in rows], device=self.model.device)
        mask = torch.tensor(
            [[1] * len(row) + [0] * (longest - len(row)) for row in rows], device=self.model.device
        )
        return self.model(input_ids=ids, attention_mask=mask).logits.squeeze(-1).float().tolist()


def conversation_ids(tokenizer: PreTrainedTokenizerBase, prompt: Sequence[Message], answer: str) -> list[int]:
    """Token ids of prompt and answer. The chat template writes all control tokens, BOS included."""
    if not tokenizer.chat_template:
        return list(tokenizer("\n".join([*(turn.content for turn in prompt), answer]))["input_ids"])
    turns = [turn.as_dict() for turn in (*prompt, Message(role="assistant", content=answer))]
    text = str(tokenizer.apply_chat_template(turns, tokenize=False))
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])
