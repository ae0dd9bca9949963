"""Synthetic but plausible result files, made by a seeded generator. Their numbers stand for nothing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

# model → (loss, noise rate, true mean of the gold reward)
MODELS = {
    "base": (None, None, 0.27),
    "simpo-clean": ("simpo", 0.0, 0.55),
    "simpo-noisy": ("simpo", 0.4, 0.41),
    "gamma_simpo-noisy": ("gamma_simpo", 0.4, 0.43),
    "gammapo-noisy": ("gammapo", 0.4, 0.52),
}
SUBJECTS = ["a river", "a lighthouse", "an owl", "a bridge", "bread", "the moon", "a violin", "a market"]
ASKED = [
    "Answer with exactly one sentence.",
    "Use no commas.",
    "Use at most 30 words.",
    "End with a question.",
]
WORDS = "the water runs slowly past old stone and people come to look at it every day in any weather".split()


def write(path: Path, value) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def make_run(folder: Path, rng, *, rate: float, flipped: set[str], ids: list[str], clarity: bool, steps=60):
    """A run folder: metrics.jsonl and ledger.parquet, every pair seen twice."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for step in range(1, steps + 1):
        t = step / steps
        line = {"step": step, "epoch": 2 * t, "loss": 0.7 - 0.2 * t, "learning_rate": 1e-4 * (1 - t)}
        line |= {
            "grad_norm": float(rng.gamma(4, 0.5)),
            "reward_gap": 2.2 * t * (1 - rate) + rng.normal(0, 0.25),
        }
        line |= {"accuracy": float(np.clip(0.5 + (0.48 - rate) * t + rng.normal(0, 0.05), 0, 1))}
        line |= {"chosen_logp": -1.4 - 0.9 * rate * t + rng.normal(0, 0.05)}
        line |= {"rejected_logp": -1.5 - (1.1 + rate) * t + rng.normal(0, 0.05)}
        spread = 0.25 * t if clarity else 0.0
        line |= {"target_margin_mean": 1.0, "target_margin_min": 1 - spread, "target_margin_max": 1 + spread}
        line |= {"pairs_per_second": 4.0, "tokens_per_second": 900.0}
        lines.append(json.dumps(line))
    (folder / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    rows: dict[str, list] = {"pair_id": [], "step": [], "epoch": [], "reward_gap": [], "clarity": []}
    for epoch in (0, 1):
        for place, name in enumerate(rng.permutation(ids)):
            step = 1 + int((epoch + place / len(ids)) * steps / 2)
            gap = float(rng.normal((-1.1 if name in flipped else 1.4) * step / steps, 0.8))
            rows["pair_id"].append(str(name))
            rows["step"].append(step)
            rows["epoch"].append(float(epoch))
            rows["reward_gap"].append(gap)
            rows["clarity"].append(1 / (1 + np.exp(-1.8 * gap)) if clarity else None)
    pq.write_table(pa.table(rows), folder / "ledger.parquet")


def make_demo(folder: Path, seed: int = 0, prompts: int = 120) -> Path:
    """A whole output folder of the demo."""
    rng = np.random.default_rng(seed)
    ids = [f"{i:016x}" for i in range(200)]
    flipped = {str(name) for name in rng.choice(ids, 80, replace=False)}
    changed = {name: {"kind": "symmetric", "change": "flip", "why": "drawn"} for name in sorted(flipped)}
    step = {"kind": "symmetric", "rate": 0.4, "seed": 0, "options": {}}
    write(
        folder / "pairs.noise.json",
        {"format": "gammapo-noise/1", "pairs": 200, "steps": [step], "changed": changed},
    )
    gold, results = {}, []
    asked = [f"Tell me about {SUBJECTS[i % 8]}. {ASKED[i % 4]} ({i})" for i in range(prompts)]
    for model, (loss, rate, mean) in MODELS.items():
        gold[model] = np.clip(rng.normal(mean, 0.25, prompts), 0, 1)
        answers = []
        for prompt, score in zip(asked, gold[model], strict=True):
            output = " ".join(rng.choice(WORDS, rng.integers(12, 60))).capitalize() + "."
            parts = {"constraint": bool(score > 0.4), "fluent": float(rng.uniform(0.5, 1)), "on topic": True}
            answers.append({"instruction": prompt, "output": output, "gold": float(score), "parts": parts})
        write(folder / "answers" / f"{model}.json", answers)
        row = {"model": model, "loss": loss, "noise_rate": rate, **spread("gold_reward", gold[model], 1)}
        win = np.clip(gold[model] - 0.27 + 0.5 + rng.normal(0, 0.3, prompts), 0, 1)
        row |= {"avg_length": float(np.mean([len(a["output"]) for a in answers]))}
        if loss is not None:
            row |= spread("win_rate", win, 100)
            lc = spread("lc", win - 0.01, 100)
            row |= {
                "length_controlled_winrate": lc["lc"],
                "lc_ci95": lc["lc_ci95"],
                "chosen_reward": float(rng.normal()),
            }
            make_run(
                folder / "runs" / model, rng, rate=rate, flipped=flipped, ids=ids, clarity=loss == "gammapo"
            )
        results.append(row)
    write(folder / "results.json", results)
    pairs = [
        ("gammapo-noisy", "simpo-noisy"),
        ("gamma_simpo-noisy", "simpo-noisy"),
        ("gammapo-noisy", "simpo-clean"),
    ]
    write(folder / "comparisons.json", [compare(a, b, gold) for a, b in pairs])
    settings = {"base_model": "a made-up model", "steps": 60, "learning_rate": 1e-4}
    settings["arms"] = [
        {"name": name, "loss": {"name": loss}} for name, (loss, _, _) in MODELS.items() if loss
    ]
    meta = {
        "stages": {"pairs": 0.4, "train simpo-clean": 130.0},
        "machine": "2 cores, 6 GB",
        "seconds": 512.3,
        "seeds": [0],
        "versions": {"torch": "2.13.0"},
    }
    write(folder / "meta.json", {**meta, "settings": settings})
    return folder


def spread(key: str, values, scale: float) -> dict:
    mean, half = float(np.mean(values)), float(1.96 * np.std(values, ddof=1) / np.sqrt(len(values)))
    return {key: scale * mean, f"{key}_ci95": [scale * (mean - half), scale * (mean + half)]}


def compare(a: str, b: str, gold) -> dict:
    found = spread("d", gold[a] - gold[b], 1)
    return {"a": a, "b": b, "metric": "gold_reward", "difference": found["d"], "ci95": found["d_ci95"]}


@pytest.fixture(scope="session")
def demo_folder(tmp_path_factory) -> Path:
    return make_demo(tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="session", name="make_run")
def make_run_fixture():
    return make_run
