"""The shared path: pairs packed in one row, each prompt read once, only answer tokens scored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from gammapo.logps import stretch
from gammapo.logps.attention import ARGUMENT
from gammapo.logps.head import HeadOptions, token_logps
from gammapo.logps.lean import lean_layers
from gammapo.logps.packing import answer_sums, pack
from gammapo.logps.segments import PairSegments
from gammapo.logps.tied import HeadTable, embedding_by_rows
from gammapo.logps.unwrap import causal_lm, without_router_loss
from gammapo.types import TokenizedPair


def shared_logps(
    model: nn.Module, pairs: Sequence[TokenizedPair], head: HeadOptions | None = None
) -> tuple[Tensor, Tensor]:
    """Summed log-probs of the chosen and the rejected completions, (B,) each.

    The model must have been prepared (see `support.prepare`). It is called once, through its outermost
    module. Where its head is a plain linear layer, the head itself returns the log-probs of the answer
    tokens, so that the vocabulary-wide logits never exist; it does so inside the model's own forward call,
    because FSDP and ZeRO gather a module's weights only while that module runs.
    """
    core = causal_lm(model)
    pairs, chosen, rejected = stretch.split(core, pairs)
    packed = pack(pairs, next(model.parameters()).device)
    table = HeadTable()
    with (
        scoring_head(core, packed.targets, head or HeadOptions(), table) as replaced,
        embedding_by_rows(model, core, replaced, table),
        lean_layers(model, core),
        stretch.each_by_its_length(core, pairs, stretch.of_packed(pairs), dim=1),
    ):
        logits = model(
            input_ids=packed.ids,
            position_ids=packed.positions,
            # A mask of four dimensions is passed on as it is, so none is built; pair attention reads none.
            attention_mask=torch.ones(1, 1, 1, 1, dtype=torch.bool, device=packed.ids.device),
            use_cache=False,
            logits_to_keep=packed.scored,
            **without_router_loss(model),
            **{ARGUMENT: PairSegments(packed.segments)},
        ).logits[0]
    if replaced:
        taken = logits[:, 0]
    else:
        logits = logits.float() if logits.dtype.itemsize < 4 else logits
        taken = logits.gather(-1, packed.targets[:, None])[:, 0] - logits.logsumexp(-1)
    sums = answer_sums(taken, packed)
    return (sums[0][chosen], sums[1][rejected]) if len(packed.segments) > len(chosen) else sums


@contextmanager
def scoring_head(core: Any, targets: Tensor, options: HeadOptions, table: HeadTable) -> Iterator[bool]:
    """While open, the head gives log-probs (1, H, 1) of `targets` in place of logits (1, H, V).

    Yields whether it does. It does not where the head is no plain linear layer (an adapter sits on it, its
    forward is already replaced) or the model rescales its logits in a way unknown here; then logits it is.
    """
    head = core.get_output_embeddings()
    if type(head) is not nn.Linear and not _is_sharded_linear(head):
        yield False
        return
    if "forward" in vars(head) or any(getattr(core.config, n, None) not in (None, 1) for n in RESCALED):
        yield False
        return
    cap = getattr(core.config, "final_logit_softcapping", None)
    settings = HeadOptions(tile=options.tile, keep_bytes=options.keep_bytes, softcap=cap)

    def forward(hidden: Tensor) -> Tensor:
        found = token_logps(hidden[0], head.weight, head.bias, targets, settings, table)
        return found[None, :, None].clone()  # FSDP2 puts a hook on the result, and warns where it is a view

    head.forward = forward  # pyright: ignore[reportAttributeAccessIssue]
    if cap is not None:  # the cap is inside the log-probs now, and must not be put on them again
        core.config.final_logit_softcapping = None
    try:
        yield True
    finally:
        del head.forward
        if cap is not None:
            core.config.final_logit_softcapping = cap


RESCALED = ("logit_scale", "logits_scaling", "output_multiplier_scale", "lm_head_multiplier")


def _is_sharded_linear(head: Any) -> bool:
    """FSDP2 gives a sharded layer a class of its own, derived from the layer's."""
    bases = type(head).__bases__
    return len(bases) == 2 and bases[1] is nn.Linear and bases[0].__name__ == "FSDPModule"
