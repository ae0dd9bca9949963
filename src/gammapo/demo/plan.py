"""What the demo does: which models are trained on which labels, and how much of everything."""

from __future__ import annotations

import shlex
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

BASE = "base"


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One model to train. `noisy` takes the corrupted labels, which are the same for all arms."""

    name: str
    loss: dict[str, Any]
    noisy: bool


SIMPO = {"name": "simpo", "beta": 2.5, "gamma_beta_ratio": 0.4}
GAMMAPO = {"name": "gammapo", "beta": 2.5}
ARMS = (
    Arm(name="simpo-clean", loss=SIMPO, noisy=False),
    Arm(name="simpo-noisy", loss=SIMPO, noisy=True),
    Arm(name="gammapo-clean", loss=GAMMAPO, noisy=False),
    Arm(name="gammapo-noisy", loss=GAMMAPO, noisy=True),
)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The size of a demo. Defaults take at most ten minutes on two cores; `QUICK` at most two."""

    model: str = "smollm2"
    pairs: int = 160  # the first of the shipped pairs
    held_out: int = 64  # prompts to answer
    noise_kind: str = "symmetric"
    noise_rate: float = 0.4
    seed: int = 0
    arms: tuple[Arm, ...] = field(default=ARMS)
    learning_rate: float = 3e-4
    epochs: float = 1.0
    pairs_per_step: int = 4
    tokens_per_batch: int = 1024
    lora_rank: int = 16
    max_new_tokens: int = 64
    temperature: float = 0.7
    probes: int = 24  # clean pairs on which the reward of the chosen answers is read
    bootstrap: int = 1000

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def command(self, folder: str | Path) -> str:
        """The command line that makes this demo, as far as it is one of the command line's."""
        words = ["gammapo", "demo", "--output", str(folder)]
        words += ["--quick"] if self == Plan(seed=self.seed, **QUICK) else []
        words += ["--seed", str(self.seed)] if self.seed else []
        return shlex.join(words)


QUICK: dict[str, Any] = {"pairs": 16, "held_out": 16, "max_new_tokens": 48, "probes": 8, "bootstrap": 500}
