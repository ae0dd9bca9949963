"""The padded path: every answer with its own copy of the prompt, padded on the right. Works for any model."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gammapo.logps import stretch
from gammapo.logps.unwrap import accepts, causal_lm, without_router_loss
from gammapo.types import TokenizedPair


def padded_logps(model: nn.Module, pairs: Sequence[TokenizedPair]) -> tuple[Tensor, Tensor]:
    """Summed log-probs of the chosen and the rejected completions, (B,) each.

    Both answers of every pair go through the model in one call; logits are asked for only from the first
    position that scores a completion token, where the model can do that. No mask is given: padding stands
    to the right of all that a causal model lets a token see, and a row of nothing but masked keys, which a
    sliding window makes of padding, is NaN in some attention implementations.
    """
    device = next(model.parameters()).device
    rows = [(pair.prompt, pair.chosen) for pair in pairs] + [(pair.prompt, pair.rejected) for pair in pairs]
    width = max(len(prompt) + len(answer) for prompt, answer in rows)
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    scored = torch.zeros(len(rows), width, dtype=torch.bool)
    for row, (prompt, answer) in enumerate(rows):
        end = len(prompt) + len(answer)
        ids[row, :end] = torch.tensor([*prompt, *answer])
        ids[row, end:] = ids[row, end - 1]
        scored[row, len(prompt) : end] = True
    start = min(len(prompt) for prompt, _ in rows)
    ids, scored = ids.to(device), scored.to(device)[:, start:]
    kept = {"logits_to_keep": width - start + 1} if accepts(model, "logits_to_keep") else {}
    lengths = stretch.of_rows([len(prompt) + len(answer) for prompt, answer in rows])
    with stretch.each_by_its_length(causal_lm(model), pairs, lengths, dim=0):
        logits = model(input_ids=ids, use_cache=False, **kept, **without_router_loss(model)).logits
    logits = logits[:, -(width - start + 1) : -1]
    logits = logits.float() if logits.dtype.itemsize < 4 else logits
    taken = logits.gather(-1, ids[:, start:, None]).squeeze(-1) - logits.logsumexp(-1)
    sums = torch.where(scored, taken, 0.0).sum(-1)
    return sums[: len(pairs)], sums[len(pairs) :]
