"""Deciding whether a model can take the shared path, and proving it on the model itself."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import nn

from gammapo.errors import InputError
from gammapo.logps import stretch
from gammapo.logps.attention import PREFIX, UnsupportedAttentionError, register
from gammapo.logps.padded import padded_logps
from gammapo.logps.shared import shared_logps
from gammapo.logps.unwrap import accepts, causal_lm
from gammapo.types import TokenizedPair

_reasons: WeakKeyDictionary[nn.Module, tuple[Any, str | None]] = WeakKeyDictionary()
ATTENTION = ("eager", "sdpa", "flash_attention_2", "flash_attention_3", "flex_attention")


def prepare(model: nn.Module) -> str | None:
    """Make the model ready for the shared path: None if it is, else the reason why it cannot take it.

    The first call for a model asks its class and config, switches its attention to pair attention (which
    behaves as before wherever no pairs are given), and compares both paths on a small probe. A model that
    fails is put back as it was. The answer is remembered as long as the model lives, on one kind of device
    and in one type of arithmetic: another has other kernels.

    Raises:
        InputError: the model looks ahead, so that no path can give it log-probs.
    """
    core = causal_lm(model)
    place = next(core.parameters()).device.type, arithmetic(core)
    if _reasons.get(core, (None,))[0] != place:
        reason = _declined(model, core) or _switch_and_probe(model, core)
        if reason is not None:
            _refuse_lookahead(model, core)
        _reasons[core] = place, reason
    return _reasons[core][1]


def arithmetic(model: nn.Module) -> torch.dtype:
    """The type that the model computes in here and now: autocast's where it is on, else its weights'."""
    weight = next(weight for weight in model.parameters() if weight.is_floating_point())
    kind = weight.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else weight.dtype


def warn_padded(reason: str) -> None:
    """Say that the padded path is taken. Python shows the same warning once."""
    warnings.warn(
        f"gammapo reads prompts twice and pads, which is slower but exact: {reason}",
        UserWarning,
        stacklevel=4,
    )


def warn_of_company(core: Any, pairs: Sequence[TokenizedPair]) -> None:
    """Say where a pair's log-probs depend on the pairs that it is read with, on either path: some rotary
    embeddings stretch with the longest sequence of a batch, and not all of them can be kept from it. Python
    shows the same warning once."""
    if stretch.concerns(core, pairs) and not stretch.embeddings(core):
        limit = min(stretch.stretches(core).values())
        warnings.warn(
            f"beyond {limit} tokens the rotary embedding of {type(core).__name__} stretches with the longest "
            "sequence read at once, so that log-probs depend on a pair's batch, and policy and reference may "
            f"differ before training; hold prompt and answer within {limit} tokens (data.max_length)",
            UserWarning,
            stacklevel=3,
        )


def _declined(model: nn.Module, core: Any) -> str | None:
    config = getattr(core, "config", None)
    name = type(core).__name__
    if config is None or not hasattr(core, "get_output_embeddings"):
        return f"{name} is no transformers model"
    if getattr(core, "_is_stateful", False):
        return f"{name} carries a recurrent state from token to token"
    other = set(getattr(config, "layer_types", None) or ()) - {"full_attention", "sliding_attention"}
    if other:
        return f"{name} has layers of kind {', '.join(sorted(map(str, other)))}"
    if not accepts(model, "logits_to_keep") or not accepts(model, "position_ids"):
        return f"{name}.forward takes no logits_to_keep or no position_ids"
    adapters = [c for m in model.modules() for c in (getattr(m, "peft_config", None) or {}).values()]
    if any(getattr(adapter, "is_prompt_learning", False) for adapter in adapters):
        return "its adapter adds virtual tokens"
    implementation = str(config._attn_implementation)
    if implementation.removeprefix(PREFIX) not in ATTENTION or not core._can_set_attn_implementation():
        return f"{name} runs its own attention ({implementation})"
    return None


def _switch_and_probe(model: nn.Module, core: Any) -> str | None:
    before = core.config._attn_implementation
    if not before.startswith(PREFIX):
        core.set_attn_implementation(register(before))
    try:
        reason = _probe(model, core)
    except UnsupportedAttentionError as error:
        reason = f"its attention has {error}, which pair attention lacks"
    except Exception as error:  # whatever a model does with what it does not know; the padded path will tell
        reason = f"pair attention failed on it ({type(error).__name__}: {error})"
    if reason is not None:
        core.set_attn_implementation(before)
    return reason


def _probe(model: nn.Module, core: Any) -> str | None:
    """Compare both paths on two small pairs, without dropout: the reason if they differ."""
    pairs = _probe_pairs(core.config.get_text_config().vocab_size)
    with torch.no_grad(), evaluating(model):
        shared = torch.cat(shared_logps(model, pairs)).double()
        with _linear_types(core) as types:
            padded = torch.cat(padded_logps(model, pairs)).double()
    half = any(dtype.itemsize < 4 for dtype in types)
    allowed = padded.abs().clamp_min(1) * (3e-2 if half else 1e-3)
    worst = ((shared - padded).abs() - allowed).max().item()
    if not worst <= 0:
        gap = (shared - padded).abs().max().item()
        return f"on {type(core).__name__} a probe gave log-probs {gap:.3g} nats apart"
    return None


def _refuse_lookahead(model: nn.Module, core: Any) -> None:
    """Raise InputError for a model whose answers change with the tokens after them: an encoder that is read
    as a language model (BERT without `is_decoder`), say. It would be asked for tokens that it has seen."""
    config: Any = getattr(core, "config", None)
    text = config.get_text_config() if hasattr(config, "get_text_config") else config
    pair = _probe_pairs(getattr(text, "vocab_size", 2))[0]
    ids = torch.tensor([[*pair.prompt, *pair.chosen]], device=next(model.parameters()).device)
    with torch.no_grad(), evaluating(model):
        whole, part = (model(input_ids=row, use_cache=False).logits for row in (ids, ids[:, :-2]))
    apart = (whole[:, : part.shape[1]].float().softmax(-1) - part.float().softmax(-1)).abs().sum(-1).mean()
    # of 2; half precision may send a token to other experts
    rounding = 0.3 if part.dtype.itemsize < 4 else 0.03
    if not apart <= rounding:
        raise InputError(
            f"{type(core).__name__} looks ahead: what it expects next changes with the tokens after that",
            field="model",
            expected="a causal LM",
            fix="take a decoder, or set is_decoder in the model's config if it was trained as one",
        )


@contextmanager
def _linear_types(core: nn.Module) -> Iterator[set[torch.dtype]]:
    """The types that the linear layers called inside compute in. They tell what no flag outside does:
    autocast may begin inside the model's own forward, and FSDP2 may cast weights as it gathers them."""
    found: set[torch.dtype] = set()

    def note(module: nn.Module, args: Any, out: Any) -> None:
        if isinstance(out, torch.Tensor):
            found.add(out.dtype)

    handles = [m.register_forward_hook(note) for m in core.modules() if isinstance(m, nn.Linear)]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def _probe_pairs(vocabulary: int) -> Sequence[TokenizedPair]:
    draw = torch.Generator().manual_seed(0)
    pairs = []
    for name, lengths in (("probe-1", (5, 4, 6)), ("probe-2", (3, 7, 2))):
        ids = torch.randint(min(vocabulary - 1, 10), vocabulary, (sum(lengths),), generator=draw).tolist()
        p, c = lengths[0], lengths[0] + lengths[1]
        pairs.append(
            TokenizedPair(id=name, prompt=tuple(ids[:p]), chosen=tuple(ids[p:c]), rejected=tuple(ids[c:]))
        )
    return pairs


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode inside, each module's own mode restored after."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
