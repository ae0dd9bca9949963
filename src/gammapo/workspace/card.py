"""The model card of a finished run: what it was made from, how, and what is known about it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from gammapo import files, strict_yaml
from gammapo.models import embedded

TAG = "gammapo"  # on every card that is written here
ON_THE_HUB = {embedded.NAME: "HuggingFaceTB/SmolLM2-135M-Instruct"}
SHOWN = (
    "loss",
    "accuracy",
    "reward_gap",
    "target_margin_mean",
    "clarity_mean",
    "chosen_logp",
    "rejected_logp",
)


def model_card(run: Path, *, licence: str | None = None) -> str:
    """README.md for the model of a run folder.

    Args:
        run: a finished run.
        licence: an identifier such as apache-2.0; None takes the base model's, where its card says one.
    """
    note = files.read_json(run / "run.json")
    recipe = note["recipe"]
    base, pairs = recipe["model"]["path"], recipe["data"]["path"]
    licence = licence or base_licence(base)
    front = {
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": list(dict.fromkeys((TAG, "preference-optimization", recipe["loss"]["name"]))),
    }
    front |= {"license": licence} if licence else {}
    front |= {"base_model": hub} if (hub := _hub_id(base)) else {}
    versions = ", ".join(f"{name} {number}" for name, number in note["versions"].items())
    return f"""---
{yaml.safe_dump(front, sort_keys=False).strip()}
---
# {run.resolve().name}

`{_short(base)}`, trained with gammapo on {note["pairs"]} preference pairs of `{_short(pairs)}`.

Licence: {licence or "not stated here; that of the base model and of the data apply"}.

## Objective

`{note["objective"]}`

## Data

- fingerprint of the pairs as trained on: `{note["data_fingerprint"]}`
- {_noise(run, note)}
{"".join(f"- {line}{chr(10)}" for line in note["data"])}
## Training

{note["steps"]} steps in {note["seconds"]:.0f} s; {note["machine"]}; {versions}.

{_metrics(run)}

```yaml
{strict_yaml.dump(_without_places(recipe)).strip()}
```

These are measures on the training pairs. They say nothing about win rates, safety or facts: evaluate the
model for your use.
"""


def base_licence(base: str) -> str | None:
    """The licence in the front matter of a local model's README.md, None where there is none."""
    found = front_matter(Path(base)).get("license")
    return str(found) if found else None


def front_matter(model: Path) -> dict[str, Any]:
    """What the README.md in a model's folder says before its text; nothing where there is none to read."""
    path = model / "README.md"
    if not path.is_file():
        return {}
    try:
        pieces = path.read_text(encoding="utf-8").split("---", 2)
        front = yaml.safe_load(pieces[1]) if len(pieces) == 3 else None
    except (ValueError, yaml.YAMLError):  # not UTF-8, or what looks like a date and is none
        return {}
    return front if isinstance(front, dict) else {}


def _short(path: str) -> str:
    """A hub id as it is; of a folder only its name, as the rest is someone's machine."""
    return Path(path).name if Path(path).is_absolute() else path


def _hub_id(base: str) -> str | None:
    """What the hub knows a base model as, None for a folder."""
    named = ON_THE_HUB.get(base, base)
    return None if Path(base).exists() or Path(base).is_absolute() or named.count("/") > 1 else named


def _without_places(recipe: dict[str, Any]) -> dict[str, Any]:
    """The recipe with its folders and files by their names alone."""
    return recipe | {key: recipe[key] | {"path": _short(recipe[key]["path"])} for key in ("model", "data")}


def _noise(run: Path, note: dict[str, Any]) -> str:
    if not note.get("noise_manifest"):
        return "no labels were corrupted on purpose"
    manifest = files.read_json(run / note["noise_manifest"])
    kind, rate = manifest.get("kind"), manifest.get("rate")
    return f"labels corrupted on purpose: {kind}, rate {rate:g}; the manifest is in the run folder"


def _metrics(run: Path) -> str:
    lines = files.split_lines((run / "metrics.jsonl").read_text(encoding="utf-8"))
    if not lines:
        return ""
    first, last = json.loads(lines[0]), json.loads(lines[-1])
    rows = [f"| {name} | {first[name]:.4f} | {last[name]:.4f} |" for name in SHOWN if name in last]
    return "\n".join(["| on training pairs | first step | last step |", "|---|---|---|", *rows])
