"""gammapo's trainer beside TRL's, on one model and the same pairs, for test_trl_on_gpu.py.

The comparison is the one of benchmarks/pair_training.py: each side a process with its own trainer, both
taking turns step by step. It is a module of its own so that a CPU can run it too (test_beside_trl.py).
"""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import pair_training
from pair_training_parts.shapes import save_random_qwen

__all__ = ["TRAINERS", "compare", "save_random_qwen"]

TRAINERS = {"cpo": "micro4", "dpo": "dpo_micro4"}  # TRL's trainer → the case: SimPO's loss and DPO's


def compare(model: Path, trainer: str, *, steps: int, log: Path, apart: bool = False) -> dict[str, Any]:
    """`steps` timed optimiser steps of 4 pairs against TRL's trainer; see `pair_training.summary`."""
    options = Namespace(steps=steps, seed=0, threads=1, texts=None, log=log, limit_gb=16.0)
    options.pairs_per_step, options.liger, options.apart = 4, False, apart
    return pair_training.run(pair_training.CASES[TRAINERS[trainer]], model, options)
