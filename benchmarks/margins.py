"""How long the KL-optimal margins take, next to a training step.

    python benchmarks/margins.py [--pairs 2048] [--step-seconds 10] [--format json]

Milliseconds on one core for one solve of that many margins, median and quartiles over repeated runs, at
settings from the published ones to ones where the published iteration does not converge. The share of a step
is of a step time that you give: for a 7B model on one accelerator a step of 128 pairs takes tens of seconds.
"""

import argparse
import json
import statistics
import time

import torch

from gammapo.margins import kl_optimal

SETTINGS = [(3.0, 3.0), (3.0, 1.0), (10.0, 1.0), (3.0, 0.1)]


def measure(pairs: int, gamma0: float, tau: float, repeats: int) -> dict[str, float]:
    """Times of one solve in ms, over gaps that change each time, and the largest distance from stationary."""
    generator = torch.Generator().manual_seed(0)
    times, residuals = [], []
    for repeat in range(repeats + 5):
        gaps = 3 * torch.randn(pairs, generator=generator)
        start = time.perf_counter()
        margins = kl_optimal(gaps, gamma0, tau)
        elapsed = 1e3 * (time.perf_counter() - start)
        if repeat < 5:
            continue
        wide, r = margins.double(), gaps.double()
        multiplier = gamma0 * torch.sigmoid(wide - r) + tau * (wide / gamma0).log()
        times.append(elapsed)
        residuals.append((multiplier.max() - multiplier.min()).item())
    low, middle, high = statistics.quantiles(times, n=4)
    return {
        "gamma0": gamma0,
        "tau": tau,
        "ms": middle,
        "ms_lower_quartile": low,
        "ms_upper_quartile": high,
        "residual": max(residuals),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=2048, help="margins in one solve")
    parser.add_argument("--repeats", type=int, default=50)
    parser.add_argument("--step-seconds", type=float, default=10.0, help="time of one training step")
    parser.add_argument("--format", choices=["table", "json"], default="table")
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows = [measure(given.pairs, gamma0, tau, given.repeats) for gamma0, tau in SETTINGS]
    for row in rows:
        row["percent_of_step"] = row["ms"] / (1e3 * given.step_seconds) * 100
    if given.format == "json":
        result = {"pairs": given.pairs, "threads": 1, "step_seconds": given.step_seconds, "settings": rows}
        print(json.dumps(result, indent=2))
        return
    print(f"{given.pairs} margins on one core; a step of {given.step_seconds:g} s")
    print("γ₀     τ      ms (quartiles)          residual   % of step")
    for row in rows:
        spread = f"{row['ms']:.2f} ({row['ms_lower_quartile']:.2f}–{row['ms_upper_quartile']:.2f})"
        share = f"{row['percent_of_step']:.4f}"
        print(f"{row['gamma0']:<6g} {row['tau']:<6g} {spread:<23} {row['residual']:<10.1e} {share}")


if __name__ == "__main__":
    main()
