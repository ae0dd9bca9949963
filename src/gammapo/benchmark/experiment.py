"""One run of the grid, from its specification to its row. Everything random comes from the run's seed."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from gammapo import losses, noise
from gammapo.audit import against_truth
from gammapo.benchmark import world as worlds
from gammapo.benchmark.fit import FitSettings, fit
from gammapo.benchmark.prompts import pack, win_rates
from gammapo.benchmark.world import Measured, World
from gammapo.losses import Loss
from gammapo.types import PreferencePair, TokenizedPair

Spec = Mapping[str, Any]
Row = dict[str, Any]
DATA = ("noise", "seed", "pairs", "scores")  # what decides a run's pairs, besides the world
NO_SCORES, OUTSIDE, GOLD = "none", "external", "gold"
READ_AT_ONCE = 16


def run(spec: Spec, *, device: str = "cpu") -> Row:
    """Make the pairs, corrupt them, train, measure.

    Args:
        spec: `world` {name, options}, `loss` {name, options, as}, `noise` {kind, rate, options}, `seed`,
            `pairs`, `scores` ("none", "external" or "gold") and `training` (fields of FitSettings).
        device: where the policy is trained, "cpu" or "cuda"; a world of large models reads, samples and
            judges there too.

    Returns:
        A row of plain JSON: `gold_reward` in [0, 1], `base_gold`, `win_rate` and `length_controlled_winrate`
        against the base on the same prompts (shares; draws count half), `held_out_accuracy` on clean labels
        of unseen pairs, `kl` in nats, `length` in tokens, drifts in nats a token, `flip_auroc` and
        `flip_calibration_error` (None without flips), `seconds`, `device` (a GPU by its name), and gold and
        length of every held-out prompt's answer, packed (`benchmark.prompts`).

    Raises:
        InputError: an unknown name or option.
        RunError: training diverged.
    """
    torch.set_num_threads(1)  # a run is one core's work; the pool has as many runs as cores
    begun = time.perf_counter()
    place = (spec["world"]["name"], json.dumps(spec["world"]["options"], sort_keys=True), device)
    world = _world(*place)
    loss = losses.create(spec["loss"]["name"], **spec["loss"]["options"])
    settings, seed = FitSettings(**spec["training"]), spec["seed"]
    pairs, flipped = _encoded(*place, json.dumps({key: spec[key] for key in DATA}, sort_keys=True))
    policy = world.base().to(device)
    trace = fit(world, policy, pairs, loss, settings, seed)
    accuracy = held_out_accuracy(world, policy, loss, _held_out(*place, seed, spec["scores"]))
    after, before = world.measure(policy, seed), _base_measured(*place, seed)
    return {
        "world": spec["world"]["as"],
        "loss": spec["loss"]["as"],
        "noise": spec["noise"]["kind"] if spec["noise"]["rate"] else "clean",
        "rate": spec["noise"]["rate"],
        "seed": seed,
        "gold_reward": float(after.gold.mean()),
        "base_gold": float(before.gold.mean()),
        **win_rates(after.gold, after.length, before.gold, before.length),
        "held_out_accuracy": accuracy,
        "kl": float(after.log_ratio.mean()),
        "length": float(after.length.mean()),
        "base_length": float(before.length.mean()),
        "chosen_drift": trace.chosen_drift,
        "rejected_drift": trace.rejected_drift,
        "flip_auroc": auroc(-trace.evidence, flipped),
        "flip_calibration_error": calibration_error(1 - trace.likely, flipped),
        "steps": trace.steps,
        "learning_rate": settings.learning_rate,
        "epochs": settings.epochs,
        "seconds": round(time.perf_counter() - begun, 2),
        "device": torch.cuda.get_device_name() if device == "cuda" else device,
        "gold_by_prompt": pack(after.gold),
        "length_by_prompt": pack(after.length),
    }


def labelled(world: World, spec: Spec) -> tuple[list[PreferencePair], NDArray[np.bool_]]:
    """The run's pairs after noise, and which of them were changed. The loss's name plays no part."""
    pairs = world.pairs(spec["pairs"], spec["seed"])
    flipped = np.zeros(len(pairs), dtype=bool)
    wrong = spec["noise"]
    if wrong["rate"]:
        made = noise.corrupt(pairs, wrong["kind"], rate=wrong["rate"], seed=spec["seed"], **wrong["options"])
        pairs = made.pairs
        flipped = np.array([pair.id in made.manifest.changed for pair in pairs])
    return _seen(world, pairs, spec["scores"], spec["seed"]), flipped


def _seen(world: World, pairs: list[PreferencePair], scores: str, seed: int) -> list[PreferencePair]:
    """The pairs with the scores that a loss may see."""
    if scores == OUTSIDE:
        return world.external_scores(pairs, seed)
    if scores == GOLD:
        return pairs
    return [replace(pair, chosen_score=None, rejected_score=None) for pair in pairs]


def held_out_accuracy(
    world: World, policy: nn.Module, loss: Loss, pairs: Sequence[TokenizedPair]
) -> float | None:
    """Share of pairs whose better answer the loss's own reward prefers (equals half); None without pairs."""
    if not pairs:
        return None
    gaps = []
    with torch.no_grad():
        for start in range(0, len(pairs), READ_AT_ONCE):
            gaps.append(loss(world.logps(policy, pairs[start : start + READ_AT_ONCE])).reward_gaps)
    return float((0.5 + 0.5 * torch.cat(gaps).sign()).mean())


def calibration_error(suspicion: NDArray[np.float64], flipped: NDArray[np.bool_]) -> float | None:
    """Expected calibration error of flip probabilities; None without flips or with a missing value."""
    if not flipped.any() or not np.isfinite(suspicion).all():
        return None
    return against_truth(suspicion, flipped).calibration_error


def auroc(suspicion: NDArray[np.float64], positive: Sequence[bool] | NDArray[np.bool_]) -> float | None:
    """Probability that a positive is more suspicious than a negative (ties half); None if undefined."""
    from scipy.stats import rankdata

    marked = np.asarray(positive, dtype=bool)
    hits, rest = int(marked.sum()), int((~marked).sum())
    if not hits or not rest or not np.isfinite(suspicion).all():
        return None
    ranks = rankdata(suspicion)
    return float((ranks[marked].sum() - hits * (hits + 1) / 2) / (hits * rest))


@functools.lru_cache(maxsize=8)
def _encoded(
    name: str, options: str, device: str, data: str
) -> tuple[list[TokenizedPair], NDArray[np.bool_]]:
    """The pairs of a run and which were flipped; all losses share them, and the grid runs losses in a row."""
    world = _world(name, options, device)
    pairs, flipped = labelled(world, json.loads(data))
    return world.encode(pairs), flipped


@functools.lru_cache(maxsize=4)
def _held_out(name: str, options: str, device: str, seed: int, scores: str) -> list[TokenizedPair]:
    world = _world(name, options, device)
    return world.encode(_seen(world, world.held_out_pairs(seed), scores, seed))


@functools.lru_cache(maxsize=4)
def _base_measured(name: str, options: str, device: str, seed: int) -> Measured:
    world = _world(name, options, device)
    return world.measure(world.base().to(device), seed)


@functools.lru_cache(maxsize=4)
def _world(name: str, options: str, device: str) -> World:
    """A process keeps its latest worlds, whose base and calibration are costly to read."""
    return worlds.create(name, device=device, **json.loads(options))
