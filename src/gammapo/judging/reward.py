"""Reward models: sequence classifiers with one output, whose score is a log-odds (Bradley–Terry)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from gammapo.errors import InputError, first_line
from gammapo.models.load import DTYPES
from gammapo.models.whole import read_whole, reading
from gammapo.types import Message

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class RewardScorer:
    """Scores of a reward model on the whole conversation, written by the model's own chat template.

    Args:
        path: folder or hub id.
        batch_size: conversations read at once.
        max_length: tokens; a longer conversation is refused, not cut. None takes the model's own limit.
        dtype, device: None takes CUDA where there is one.

    Raises:
        InputError: no sequence classifier there, one with several outputs, or one whose weights are not all
            there.
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
        from transformers import AutoModelForSequenceClassification

        from gammapo import models

        if dtype not in DTYPES:
            raise InputError(f"got {dtype!r}", field="dtype", expected="one of " + ", ".join(DTYPES))
        if batch_size < 1:
            raise InputError(f"got {batch_size}", field="batch_size", expected="at least 1")
        where = models.resolve(path)
        config: Any = models.load_config(path)
        kinds = getattr(config, "architectures", None) or []
        if not any("Classification" in name or "Reward" in name for name in kinds) or config.num_labels != 1:
            raise InputError(
                f"the model is {', '.join(kinds) or 'of no known kind'} with {config.num_labels} outputs",
                file=path,
                expected="a sequence classifier with one output (a reward model)",
            )
        told = {"field": "judge", "expected": "the folder or hub id of a reward model"}
        with reading("reward model can be loaded", path, **told):
            self.model: PreTrainedModel = read_whole(
                AutoModelForSequenceClassification,
                where,
                expected="every weight of a reward model, its score head included: one that began at random "
                "would judge by chance",
                fix="copy or convert the model again, whole",
                dtype=getattr(torch, dtype),
            )
        place = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self.model.to(place)  # pyright: ignore[reportArgumentType]
        self.model.eval()
        self.tokenizer = models.load_tokenizer(path)
        self.batch_size = batch_size
        self.max_length = max_length or getattr(config, "max_position_embeddings", None)

    @torch.inference_mode()
    def score(self, prompts: Sequence[Sequence[Message]], answers: Sequence[str]) -> list[float]:
        """See `Scorer.score`. An answer's score does not depend on those that it is batched with."""
        rows = []
        for number, (prompt, answer) in enumerate(zip(prompts, answers, strict=True), 1):
            try:
                row = conversation_ids(self.tokenizer, prompt, answer)
            except Exception as error:  # jinja's own errors and whatever the template raises on purpose
                raise InputError(
                    f"conversation {number}: the chat template refuses it: {first_line(error)}",
                    field="judge",
                    fix="judge prompts whose turns are as the reward model's template asks",
                ) from error
            rows.append(row)
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
