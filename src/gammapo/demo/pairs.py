"""The shipped preference pairs and held-out prompts, and the corrupted copy that all losses share.

The pairs are on-policy samples of SmolLM2 with gold rewards; `docs/world.md` has the command that remakes
them.
"""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import as_file, files
from pathlib import Path

from gammapo import data, noise
from gammapo.benchmark.worlds.tasks import held_out_tasks
from gammapo.demo.plan import Plan
from gammapo.files import sha256
from gammapo.generation import PromptItem, PromptSet

SHIPPED = "pairs.jsonl.gz"
CLEAN, NOISY = "clean.jsonl", "pairs.jsonl"


def write_pair_files(folder: Path, plan: Plan) -> None:
    """Write `clean.jsonl`, the corrupted `pairs.jsonl` and its manifest; nothing if they are there."""
    manifest_path = noise.manifest_path(folder / NOISY)
    if manifest_path.exists():  # written last
        return
    with as_file(files("gammapo.demo") / "data" / SHIPPED) as shipped:
        pairs = data.load_pairs(shipped, limit=plan.pairs).pairs
    data.write_pairs(folder / CLEAN, pairs, overwrite=True)
    done = noise.corrupt(pairs, plan.noise_kind, rate=plan.noise_rate, seed=plan.seed)
    manifest = replace(done.manifest, source=CLEAN, source_sha256=sha256(folder / CLEAN))
    marker = {data.MARKER: manifest.fingerprint}
    data.write_pairs(folder / NOISY, done.pairs, overwrite=True, extra=marker)
    noise.write_manifest(manifest_path, manifest, overwrite=True)


def held_out_prompts(plan: Plan) -> PromptSet:
    """Prompts over subjects that no training prompt is about."""
    items = [
        PromptItem(instruction=task.prompt, messages=task.messages, dataset="constraints")
        for task in held_out_tasks(plan.held_out)
    ]
    return PromptSet(source="held-out", items=tuple(items))
