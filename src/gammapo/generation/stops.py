"""Which tokens end an answer: end of text, and the chat template's own end of a turn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def stop_ids(tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel | None = None) -> frozenset[int]:
    """Ids after which an answer is complete.

    These are the tokenizer's end of text, those that the model's generation settings name, and the
    token with which the chat template ends an assistant's turn.
    """
    from gammapo.data import chat_format

    settings = getattr(model, "generation_config", None)
    found: list[Any] = []
    for ids in (
        tokenizer.eos_token_id,
        getattr(settings, "eos_token_id", None),
        chat_format(tokenizer).end_of_turn,
    ):
        found += ids if isinstance(ids, list | tuple) else [ids]
    return frozenset(token for token in found if token is not None)
