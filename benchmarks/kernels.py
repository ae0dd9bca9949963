"""The parts of a pair step on their own, on one core: each against the plain way and against bare products.

    python benchmarks/kernels.py
    python benchmarks/kernels.py --parts attention head --format json

Shapes are SmolLM2-135M's, lengths UltraFeedback-like. Times are CPU seconds of forward and backward, the
least of several, so that other work on the machine disturbs little. Rates count useful work only: of
attention the positions that attend, of the head its products, nothing that is computed twice.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from gammapo.logps import attention, blocked
from gammapo.logps.head import HeadOptions, token_logps
from gammapo.logps.lean import lean_layers
from gammapo.logps.packing import Segment
from gammapo.logps.segments import PairSegments

WIDTH, INNER, HEADS, KEY_HEADS, SIZE, VOCABULARY = 576, 1536, 9, 3, 64, 49152
SEGMENTS = tuple(Segment(prompt=p, chosen=c, rejected=r) for p, c, r in ((150, 175, 140), (90, 120, 260)))
READ = sum(s.prompt + s.chosen + s.rejected for s in SEGMENTS)
SCORED = 1400
LAYERS = 3


def least(run: Callable[[], object], repeats: int) -> float:
    """Least CPU seconds of one call."""
    run()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return min(times)


def product_rate(repeats: int) -> float:
    """FLOP/s of the three products of the feed-forward part's first map, into buffers made beforehand."""
    x, w, y = torch.randn(READ, WIDTH), torch.randn(INNER, WIDTH), torch.randn(READ, INNER)
    dx, dw = torch.empty_like(x), torch.empty_like(w)

    def run() -> None:
        torch.mm(x, w.t(), out=y)
        torch.mm(y, w, out=dx)
        torch.mm(y.t(), x, out=dw)

    return 6 * READ * WIDTH * INNER / least(run, repeats)


def time_attention(repeats: int) -> dict:
    """SDPA pair by pair, and blocks of several sizes."""
    shapes = [(1, READ, n, SIZE) for n in (HEADS, KEY_HEADS, KEY_HEADS)]
    made = [torch.randn(s).transpose(1, 2).requires_grad_() for s in shapes]
    weight, segments = torch.randn(1, READ, HEADS, SIZE), PairSegments(SEGMENTS)
    attended = sum(
        (s.prompt + s.chosen) * (s.prompt + s.chosen + 1) // 2
        + s.rejected * s.prompt
        + s.rejected * (s.rejected + 1) // 2
        for s in SEGMENTS
    )
    work = 3 * 4 * HEADS * SIZE * attended

    def both_ways(attend: Callable[..., Tensor]) -> dict:
        seconds = least(lambda: torch.autograd.grad((attend(*made) * weight).sum(), made), repeats)
        return {"seconds": round(seconds, 4), "gflops": round(work / seconds / 1e9, 1)}

    options = {"window": None, "scaling": SIZE**-0.5, "dropout": 0.0, "softcap": None}
    found = {"sdpa": both_ways(lambda q, k, v: attention.split_attention(q, k, v, segments, **options))}
    usual = blocked.BLOCK
    for size in (32, 64, 128, 256):
        blocked.BLOCK = size
        fresh = PairSegments(SEGMENTS)
        found[f"blocks of {size}"] = both_ways(
            lambda q, k, v, s=fresh: blocked.blocked_attention(q, k, v, s, scaling=SIZE**-0.5)
        )
    blocked.BLOCK = usual
    return found


def time_head(repeats: int) -> dict:
    """The tiled head with logits kept and recomputed, and the plain way through all logits."""
    hidden = torch.randn(SCORED, WIDTH, requires_grad=True)
    weight = (torch.randn(VOCABULARY, WIDTH) * 0.02).requires_grad_()
    targets = torch.randint(0, VOCABULARY, (SCORED,))
    work = 6 * SCORED * WIDTH * VOCABULARY

    def both_ways(score: Callable[[], Tensor]) -> dict:
        seconds = least(lambda: torch.autograd.grad(score().sum(), (hidden, weight)), repeats)
        return {"seconds": round(seconds, 4), "gflops": round(work / seconds / 1e9, 1)}

    def plain() -> Tensor:
        return (hidden @ weight.t()).log_softmax(-1).gather(1, targets[:, None])

    tiled = {
        name: both_ways(lambda k=keep: token_logps(hidden, weight, None, targets, HeadOptions(keep_bytes=k)))
        for name, keep in (("tiled, logits kept", 1 << 30), ("tiled, recomputed", 0))
    }
    return {"all logits at once": both_ways(plain), **tiled}


def time_layers(repeats: int) -> dict:
    """Whole decoder layers, with and without keeping less."""
    from transformers import LlamaConfig, LlamaModel

    config = LlamaConfig(
        hidden_size=WIDTH,
        intermediate_size=INNER,
        num_attention_heads=HEADS,
        num_key_value_heads=KEY_HEADS,
        head_dim=SIZE,
        num_hidden_layers=LAYERS,
        vocab_size=64,
    )
    model = LlamaModel(config).train()
    model.set_attn_implementation(attention.register("sdpa"))
    ids = torch.randint(0, 64, (1, READ))
    mask = torch.ones(1, 1, 1, 1, dtype=torch.bool)
    segments = PairSegments(SEGMENTS)

    def step(lean: bool) -> None:
        model.zero_grad(set_to_none=True)
        extra = {attention.ARGUMENT: segments}
        with lean_layers(model if lean else _Compiled(model), model):
            out = model(input_ids=ids, attention_mask=mask, use_cache=False, **extra)
        out.last_hidden_state.square().mean().backward()

    work = 6 * READ * LAYERS * (2 * WIDTH * WIDTH + 2 * WIDTH * KEY_HEADS * SIZE + 3 * WIDTH * INNER)
    found = {}
    for name, lean in (("plain", False), ("lean", True)):
        seconds = least(lambda way=lean: step(way), repeats)
        found[name] = {
            "seconds": round(seconds, 4),
            "gflops of the linear maps": round(work / seconds / 1e9, 1),
        }
    return found


class _Compiled(nn.Module):
    """Looks compiled, so that `lean_layers` leaves the layers alone."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self._orig_mod = model


PARTS = {"attention": time_attention, "head": time_head, "layers": time_layers}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--format", choices=("table", "json"), default="table")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    result = {"bare products, gflops": round(product_rate(options.repeats) / 1e9, 1)}
    result |= {part: PARTS[part](options.repeats) for part in options.parts}
    if options.format == "json":
        print(json.dumps(result, indent=2))
        return
    print(f"bare products {result['bare products, gflops']} GFLOP/s")
    for part in options.parts:
        for name, values in result[part].items():
            print(f"{part:10} {name:22} " + "  ".join(f"{value} {key}" for key, value in values.items()))


if __name__ == "__main__":
    main()
