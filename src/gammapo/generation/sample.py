"""One step of sampling: logits (B, V) → token ids (B,), from one uniform number a row."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gammapo.generation.seeds import hashed

COLD = 1e-30  # below it logits would leave float32's range, and unequal ones are never that near to a tie
FIRST = 256  # sorting the whole vocabulary is slow; the nucleus is nearly always among this many tokens


def uniforms(seed: int, prompt: Sequence[int], number: int, steps: int) -> Tensor:
    """The `steps` uniform numbers in [0, 1) that drive answer `number` to a prompt, (steps,) float64.

    They depend on nothing else, so an answer does not change with the batch that it was drawn in.
    """
    bits = hashed(f"{seed}:{number}:" + ",".join(map(str, prompt)))
    generator = torch.Generator().manual_seed(bits >> 1)
    return torch.rand(steps, generator=generator, dtype=torch.float64)


def draw(logits: Tensor, uniform: Tensor, *, temperature: float, top_p: float) -> Tensor:
    """Draw a token a row by inverting the cumulative distribution at `uniform`.

    Args:
        logits: (B, V), floating.
        uniform: (B,), in [0, 1).
        temperature: 0, or below COLD, takes the likeliest token, whatever `uniform` says.
        top_p: a token is kept while the probabilities before it, likeliest first, sum to less than this.

    Returns:
        Token ids (B,).
    """
    if temperature < COLD:
        return logits.argmax(dim=-1)
    probs = torch.softmax(logits.float() / temperature, dim=-1)
    if top_p >= 1:
        return _invert(probs, uniform)
    kept, ids = probs.topk(min(FIRST, probs.shape[-1]), dim=-1)
    if (kept.sum(dim=-1) < top_p).any():
        kept, ids = probs.sort(dim=-1, descending=True)
    before = kept.cumsum(dim=-1) - kept
    place = _invert(kept * (before < top_p), uniform)
    return ids.gather(-1, place[:, None]).squeeze(-1)


def _invert(weights: Tensor, uniform: Tensor) -> Tensor:
    """The first index at which the running sum of `weights` (B, K) passes `uniform` of their total."""
    running = weights.double().cumsum(dim=-1)
    target = uniform.to(running)[:, None] * running[:, -1:]
    # a target just under the total may round up to it; the last token with weight is then meant
    place = torch.searchsorted(running, target, right=True).squeeze(-1)
    last = torch.searchsorted(running, running[:, -1:].contiguous()).squeeze(-1)
    return torch.minimum(place, last)
