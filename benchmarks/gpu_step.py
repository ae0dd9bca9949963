"""Forward and backward of one step on a GPU, by how many pairs are read at once, and where its time goes.

    python benchmarks/gpu_step.py                              Qwen2.5-1.5B's shape, 16 pairs by 4 and by 16
    python benchmarks/gpu_step.py --pairs 48 --at-once 48
    python benchmarks/gpu_step.py --without flash --profile    one part off, and the kernels' times

Random weights in float32 under bfloat16 autocast, random tokens of UltraFeedback-like lengths, SimPO's loss,
no optimiser. Each time is the median of five after one that warms up. Useful work only is counted: a prompt
once, of answers what attends, nothing that is computed twice (`pair_training_parts.work`).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch

from gammapo import losses
from gammapo.logps import attention, pair_logps, shared
from gammapo.types import TokenizedPair

sys.path.insert(0, str(Path(__file__).parent))
from pair_training_parts import shapes, work
from pair_training_parts.texts import ANSWER_MEAN, PROMPT_MEAN

REPEATS = 5
SPREAD = 0.8  # of the logarithm of a text's tokens
PARTS = {
    "flash": (attention, "flash_attention", None),
    "lean": (shared, "lean_layers", contextlib.nullcontext()),
}


def draw_pairs(count: int, vocabulary: int, seed: int) -> list[TokenizedPair]:
    rng = np.random.default_rng(seed)

    def ids(mean: int) -> tuple[int, ...]:
        size = int(np.clip(rng.lognormal(np.log(mean) - SPREAD**2 / 2, SPREAD), 8, 1500))
        return tuple(rng.integers(10, vocabulary, size).tolist())

    return [
        TokenizedPair(
            id=str(number), prompt=ids(PROMPT_MEAN), chosen=ids(ANSWER_MEAN), rejected=ids(ANSWER_MEAN)
        )
        for number in range(count)
    ]


def without(part: str | None) -> AbstractContextManager:
    """While open, one of `PARTS` is off."""
    if part is None:
        return contextlib.nullcontext()
    place, name, result = PARTS[part]
    return mock.patch.object(place, name, return_value=result)


def step(model: Any, pairs: list[TokenizedPair], at_once: int) -> None:
    loss = losses.create("simpo", beta=2, gamma_beta_ratio=0.5)
    for start in range(0, len(pairs), at_once):
        with torch.autocast(model.device.type, torch.bfloat16):
            logps = pair_logps(model, pairs[start : start + at_once])
        loss(logps).loss.backward()


def measure(model: Any, pairs: list[TokenizedPair], at_once: int) -> dict[str, Any]:
    """Seconds, useful rates and the GPU's peak memory of one step's forward and backward."""
    gpu = model.device.type == "cuda"
    model.zero_grad(set_to_none=True)
    step(model, pairs, at_once)
    if gpu:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    times = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        step(model, pairs, at_once)
        if gpu:
            torch.cuda.synchronize()
        times.append(time.perf_counter() - begun)
    ids = [(pair.prompt, pair.chosen, pair.rejected) for pair in pairs]
    seconds, peak = statistics.median(times), work.peak_flops()
    rate = work.ideal_flops(model.config, ids) / seconds
    return {
        "pairs": len(pairs),
        "at_once": at_once,
        "milliseconds": round(1000 * seconds, 1),
        "tokens_per_second": round(work.lengths(ids)[0] / seconds),
        "tflops": round(rate / 1e12, 1),
        "mfu": peak and round(rate / peak, 4),
        "peak_gib": round(torch.cuda.max_memory_allocated() / 2**30, 1) if gpu else None,
    }


def kernels(model: Any, pairs: list[TokenizedPair], at_once: int) -> str:
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as watched:
        step(model, pairs, at_once)
        torch.cuda.synchronize()
    return watched.key_averages().table(sort_by="self_cuda_time_total", row_limit=28)


def make_model(shape: dict[str, Any], device: str, *, liger: bool = False) -> Any:
    model = shapes.random_qwen(device, **shape).train()
    if liger:
        from transformers.integrations.liger import apply_liger_kernel

        from gammapo.training.arguments import LIGER

        apply_liger_kernel(model, LIGER)
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--shape", choices=shapes.QWEN, default="qwen2.5-1.5b")
    parser.add_argument("--pairs", type=int, default=16, help="of the step (default 16)")
    parser.add_argument("--at-once", type=int, nargs="+", default=[4, 16], help="pairs read at once (4 16)")
    parser.add_argument("--without", choices=PARTS, help="flash attention by lengths, or keeping less, off")
    parser.add_argument("--liger", action="store_true", help="with liger-kernel's layers")
    parser.add_argument("--profile", action="store_true", help="also the kernels' times, of the last size")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("no CUDA device here")
    model = make_model(shapes.QWEN[options.shape], "cuda", liger=options.liger)
    pairs = draw_pairs(options.pairs, 49000, seed=0)
    print(json.dumps({"gpu": torch.cuda.get_device_name(), "torch": torch.__version__, **vars(options)}))
    with without(options.without):
        for at_once in options.at_once:
            print(json.dumps(measure(model, pairs, at_once)), flush=True)
        if options.profile:
            print(kernels(model, pairs, options.at_once[-1]))


if __name__ == "__main__":
    main()
