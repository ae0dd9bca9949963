"""The slow, obvious way: one forward pass an answer. The truth that every fast path is tested against."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def sequence_logps(model: nn.Module, prompt: Sequence[int], completion: Sequence[int]) -> Tensor:
    """Log-prob (nats) of each completion token given all before it: (len(completion),), differentiable.

    The model is called with token ids and nothing else: no mask, no padding, no packing.
    """
    device = next(model.parameters()).device
    ids = torch.tensor([[*prompt, *completion]], device=device)
    logits = model(input_ids=ids, use_cache=False).logits[0, len(prompt) - 1 : -1]
    logits = logits.float() if logits.dtype.itemsize < 4 else logits
    return logits.log_softmax(-1).gather(-1, ids[0, len(prompt) :, None]).squeeze(-1)
