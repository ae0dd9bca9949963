"""Training metrics: summed on the device, brought to the host once per logging step."""

from __future__ import annotations

import time

import torch
from torch import Tensor

from gammapo.training.step import StepResult

# over several steps; every other value is averaged
EXTREMES = {"target_margin_min": torch.minimum, "target_margin_max": torch.maximum}


def step_metrics(result: StepResult) -> dict[str, Tensor]:
    """Means over the step's pairs, and the least and largest margin; log-probs are per token (nats), gaps and
    margins in reward units."""
    output, logps = result.output, result.logps
    gaps, margins = output.reward_gaps.float(), output.target_margins.float()
    values = {
        "reward_gap": gaps.mean(),
        "accuracy": (gaps > 0).float().mean(),
        "chosen_reward": output.chosen_rewards.float().mean(),
        "rejected_reward": output.rejected_rewards.float().mean(),
        "chosen_logp": (logps.chosen / logps.chosen_length).mean(),
        "rejected_logp": (logps.rejected / logps.rejected_length).mean(),
        "target_margin_mean": margins.mean(),
        "target_margin_min": margins.min(),
        "target_margin_max": margins.max(),
    }
    if output.clarity is not None:
        values["clarity_mean"] = output.clarity.float().mean()
    if output.weights is not None:
        values["weight_mean"] = output.weights.float().mean()
    return values


class Meter:
    """Averages, and extremes of extremes, over the steps since the last `read`."""

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._steps, self._pairs, self._tokens = 0, 0, 0
        self.restart_clock()

    def restart_clock(self) -> None:
        """Count no time before now: what is not training (sampling, say) is no part of the rates."""
        self._since = time.perf_counter()

    def add(self, values: dict[str, Tensor], *, pairs: int, tokens: int) -> None:
        for name, value in values.items():
            put_together = EXTREMES.get(name, torch.add)
            self._sums[name] = put_together(self._sums[name], value) if name in self._sums else value
        self._steps, self._pairs, self._tokens = self._steps + 1, self._pairs + pairs, self._tokens + tokens

    def read(self) -> dict[str, float]:
        """Averages and rates (useful tokens, never padding), then start afresh. One host sync."""
        if not self._steps:
            return {}
        sums = torch.stack(list(self._sums.values())).tolist()
        seconds = max(time.perf_counter() - self._since, 1e-9)
        values = {
            name: value if name in EXTREMES else value / self._steps
            for name, value in zip(self._sums, sums, strict=True)
        }
        values |= {"pairs_per_second": self._pairs / seconds, "tokens_per_second": self._tokens / seconds}
        self._reset()
        return values
