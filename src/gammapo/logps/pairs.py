"""`pair_logps`: the one function the trainer calls. It picks the path and fills in what the pairs carry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from gammapo.errors import InputError
from gammapo.logps.padded import padded_logps
from gammapo.logps.shared import shared_logps
from gammapo.logps.support import prepare, warn_of_company, warn_padded
from gammapo.logps.unwrap import causal_lm
from gammapo.types import PairLogps, TokenizedPair

Path = Literal["auto", "shared", "padded"]


def pair_logps(model: nn.Module, pairs: Sequence[TokenizedPair], *, path: Path = "auto") -> PairLogps:
    """Summed log-probs of both answers of B pairs, differentiable in the model's parameters.

    Args:
        model: a causal LM of transformers, or one wrapped by PEFT, DDP, FSDP or DeepSpeed. It is called
            through its outermost module, once, in whatever mode (training or evaluation) it is in.
        pairs: B pairs of any lengths; every prompt and every answer has at least one token.
        path: "shared" reads each prompt once, without padding; "padded" is the plain way; "auto" takes
            the shared path where the model supports it.

    Returns:
        PairLogps, every tensor (B,) float, on the model's device. Reference log-probs and scores are
        present if all pairs carry them.

    Raises:
        InputError: no pairs, an empty prompt or answer, an unknown path, a model that cannot take the path
            asked for, or one that is no causal LM.
    """
    _check(model, pairs, path)
    warn_of_company(causal_lm(model), pairs)
    if path == "padded":
        reason = "asked for"
    else:
        reason = prepare(model)
        if reason is not None and path == "shared":
            raise InputError(
                f"the shared path cannot be taken: {reason}", field="path", fix="use path='auto'"
            )
        if reason is not None:
            warn_padded(reason)
    chosen, rejected = padded_logps(model, pairs) if reason else shared_logps(model, pairs)
    return PairLogps(
        chosen=chosen,
        rejected=rejected,
        chosen_length=_tensor([len(pair.chosen) for pair in pairs], chosen),
        rejected_length=_tensor([len(pair.rejected) for pair in pairs], chosen),
        reference_chosen=_carried(pairs, "reference_chosen", chosen),
        reference_rejected=_carried(pairs, "reference_rejected", chosen),
        chosen_score=_carried(pairs, "chosen_score", chosen),
        rejected_score=_carried(pairs, "rejected_score", chosen),
    )


def _check(model: nn.Module, pairs: Sequence[TokenizedPair], path: str) -> None:
    core = causal_lm(model)
    if getattr(getattr(core, "config", None), "is_encoder_decoder", False):
        raise InputError(
            f"{type(core).__name__} is an encoder-decoder", field="model", expected="a causal LM"
        )
    if path not in ("auto", "shared", "padded"):
        raise InputError(f"unknown path {path!r}", field="path", expected="auto, shared or padded")
    if not pairs:
        raise InputError("no pairs were given", field="pairs", expected="at least one pair")
    for pair in pairs:
        for part in ("prompt", "chosen", "rejected"):
            if not getattr(pair, part):
                raise InputError(
                    f"pair {pair.id} has an empty {part}", field=part, expected="at least one token"
                )


def _tensor(values: list[Any], like: Tensor) -> Tensor:
    return torch.tensor(values, dtype=like.dtype, device=like.device)


def _carried(pairs: Sequence[TokenizedPair], name: str, like: Tensor) -> Tensor | None:
    values = [getattr(pair, name) for pair in pairs]
    return None if any(value is None for value in values) else _tensor(values, like)
