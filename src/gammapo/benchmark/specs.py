"""The runs that a grid means: what each is made from, code included, and the name that its result goes by."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from gammapo import registry
from gammapo.benchmark.fingerprint import content_hash, source_hash
from gammapo.benchmark.grid import Grid, NoiseEntry, WorldEntry

Spec = dict[str, Any]
CODE = (
    "gammapo.benchmark.experiment",
    "gammapo.benchmark.fit",
    "gammapo.training.step",
    "gammapo.training.batches",
)


def conditions(entries: list[NoiseEntry]) -> list[dict[str, Any]]:
    """Clean labels first, then every kind at every rate above 0."""
    clean = {"kind": "clean", "rate": 0.0, "options": {}}
    wrong = [
        {"kind": entry.kind, "rate": rate, "options": entry.options}
        for entry in entries
        for rate in entry.rates
        if rate > 0
    ]
    return [clean, *wrong]


def specs(grid: Grid, tuned: Mapping[str, Mapping[str, Any]] | None = None) -> list[Spec]:
    """All runs, seed by seed, so that a grid cut short still has whole seeds.

    Args:
        tuned: loss → {`training`: …, `options`: …}, which override the grid's.
    """
    return [
        run_spec(grid, world, key, wrong, seed, (tuned or {}).get(key))
        for seed in grid.seed_list
        for world in grid.worlds
        for wrong in conditions(grid.noise)
        for key in grid.losses
    ]


def run_spec(
    grid: Grid,
    world: WorldEntry,
    key: str,
    wrong: Mapping[str, Any],
    seed: int,
    tuned: Mapping[str, Any] | None = None,
) -> Spec:
    """One run, with the hash of its code, so that results of older code are not taken for its own."""
    entry = grid.losses[key]
    training = grid.training.model_dump()
    pairs = training.pop("pairs")
    if entry.learning_rate is not None:
        training["learning_rate"] = entry.learning_rate
    training |= (tuned or {}).get("training", {})
    return {
        "world": {"name": world.name, "options": world.options, "as": world.called},
        "loss": {
            "name": entry.loss or key,
            "options": {**entry.options, **(tuned or {}).get("options", {})},
            "as": key,
        },
        "noise": dict(wrong),
        "seed": seed,
        "pairs": pairs,
        "scores": grid.scores,
        "training": training,
        "code": _code(world.name, entry.loss or key, str(wrong["kind"])),
    }


def _code(world: str, loss: str, kind: str) -> str:
    modules = [_module("world", world), _module("loss", loss), *CODE]
    if kind != "clean":
        modules.append(_module("noise", kind))
    return source_hash(*modules)[:12]


def _module(kind: str, name: str) -> str:
    """Where a component's code lies: by our table, an installed package's entry point, or its own name."""
    table = registry.TABLES[kind]
    target = table[name] if name in table else _installed(kind).get(name, name)
    return target.partition(":")[0]


@cache  # reading what every installed package declares takes longer than the rest of a spec
def _installed(kind: str) -> dict[str, str]:
    return {point.name: point.value for point in entry_points(group=f"gammapo.{kind}")}


def world_key(entry: WorldEntry) -> str:
    """A hash of a world's options and code."""
    return content_hash({"options": entry.options, "code": source_hash(_module("world", entry.name))})


def key_of(spec: Mapping[str, Any]) -> str:
    """The run's name on disk. What results call world and loss plays no part in it."""
    plain = {**spec, "world": {**spec["world"], "as": ""}, "loss": {**spec["loss"], "as": ""}}
    return content_hash(plain)
