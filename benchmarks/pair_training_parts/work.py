"""The ideal work of a step, and the rate at which the machine does such matrix products and nothing else."""

from __future__ import annotations

import time
from collections.abc import Sequence

STATEMENT = (
    "FLOPs of a step = 3·[2·N·T + 4·heads·head_dim·layers·A] + 3·2·V·d·H, with N the weights of the layers' "
    "linear maps, T = Σ(P+C+R−2) tokens read, A the attended pairs of positions (causal, prompt shared), "
    "H = Σ(C+R) scored positions; no recomputation, no padding, no optimiser. The machine's rate is that of "
    "the bare products (forward, input gradient, weight gradient) of the same sizes, one after the other, "
    "into buffers made beforehand. The fraction sets ideal work over the time of a whole step (with "
    "normalisation, activation functions, attention, loss, clipping and AdamW) against that rate."
)


# Dense bfloat16 FLOP/s by the makers' data sheets; a name's first match counts.
PEAKS = {
    "H100 PCIe": 756e12,
    "H100 NVL": 835e12,
    "H100": 989e12,
    "H200": 989e12,
    "H20": 148e12,
    "A100": 312e12,
    "L40S": 362e12,
    "B200": 2250e12,
}


def peak_flops() -> float | None:
    """Of the GPU here; None without one, and for one that is not in `PEAKS`."""
    import torch

    if not torch.cuda.is_available():
        return None
    name = torch.cuda.get_device_name()
    return next((peak for part, peak in PEAKS.items() if part in name), None)


def lengths(pairs: Sequence[Sequence[Sequence[int]]]) -> tuple[int, int, int]:
    """(T, H, A) of pairs given as (prompt, chosen, rejected) token ids."""
    read = scored = attended = 0
    for prompt, chosen, rejected in pairs:
        p, c, r = len(prompt), len(chosen) - 1, len(rejected) - 1
        read += p + c + r
        scored += c + r + 2
        attended += (p + c) * (p + c + 1) // 2 + r * p + r * (r + 1) // 2
    return read, scored, attended


def layer_maps(config) -> list[tuple[int, int]]:
    """(inputs, outputs) of each linear map of one layer."""
    d, inner = config.hidden_size, config.intermediate_size
    size = getattr(config, "head_dim", None) or d // config.num_attention_heads
    q, kv = config.num_attention_heads * size, config.num_key_value_heads * size
    return [(d, q), (d, kv), (d, kv), (q, d), (d, inner), (d, inner), (inner, d)]


def within(budget: int, sizes: list[int]) -> list[list[int]]:
    """Positions in their order, in groups of at most `budget` tokens; a pair that is longer stands alone."""
    groups: list[list[int]] = []
    for position, size in enumerate(sizes):
        if groups and sum(sizes[other] for other in groups[-1]) + size <= budget:
            groups[-1].append(position)
        else:
            groups.append([position])
    return groups


def ideal_flops(config, pairs) -> int:
    read, scored, attended = lengths(pairs)
    weights = config.num_hidden_layers * sum(a * b for a, b in layer_maps(config))
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    attention = 4 * config.num_attention_heads * size * config.num_hidden_layers * attended
    return 3 * (2 * weights * read + attention) + 6 * config.vocab_size * config.hidden_size * scored


class BareProducts:
    """The linear maps' matrix products of a step: all layers (with weights of their own) and the head."""

    def __init__(self, config, dtype, device):
        import torch

        self.maps = layer_maps(config) * config.num_hidden_layers + [(config.hidden_size, config.vocab_size)]
        self.weights = [torch.randn(b, a, dtype=dtype, device=device) * 0.02 for a, b in self.maps]
        self.buffers: dict[tuple[str, int, int], torch.Tensor] = {}
        self.device, self.dtype = device, dtype

    def buffer(self, role: str, rows: int, columns: int):
        import torch

        if (role, rows, columns) not in self.buffers:
            made = torch.randn(rows, columns, dtype=self.dtype, device=self.device)
            self.buffers[role, rows, columns] = made
        return self.buffers[role, rows, columns]

    def prepare(self, pairs) -> tuple[int, int]:
        read, scored, _ = lengths(pairs)
        self.buffers.clear()
        for number, (a, b) in enumerate(self.maps):
            rows = scored if number == len(self.maps) - 1 else read
            for role, n, m in (("x", rows, a), ("y", rows, b), ("dx", rows, a), ("dw", b, a)):
                self.buffer(role, n, m)
        return read, scored

    def run(self, pairs) -> dict[str, float]:
        """Wall and CPU seconds of the products, and their FLOPs."""
        import torch

        read, scored = self.prepare(pairs)
        flops, wall, cpu = 0, time.perf_counter(), time.process_time()
        for number, ((a, b), weight) in enumerate(zip(self.maps, self.weights, strict=True)):
            rows = scored if number == len(self.maps) - 1 else read
            x, y = self.buffer("x", rows, a), self.buffer("y", rows, b)
            torch.mm(x, weight.t(), out=y)
            torch.mm(y, weight, out=self.buffer("dx", rows, a))
            torch.mm(y.t(), x, out=self.buffer("dw", b, a))
            flops += 6 * rows * a * b
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return {"flops": flops, "wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
