"""The report of one training run: is it healthy, what was it, how did it go, pair by pair."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gammapo.errors import InputError
from gammapo.files import open_text, read_json
from gammapo.health import ends, signs
from gammapo.report import parts, training_files
from gammapo.report.charts.base import finite
from gammapo.report.numbers import duration, number
from gammapo.report.page import Page
from gammapo.report.palette import loss_styles

EXPECTED = "metrics.jsonl, and where there are: run.json, recipe.yaml, ledger.parquet, noise.json"
CHANGES = {
    "loss": ("Loss", 3),
    "reward_gap": ("Reward gap", 3),
    "accuracy": ("Agreement with the labels", 3),
    "chosen_logp": ("Log-prob of chosen, nats a token", 3),
    "rejected_logp": ("Log-prob of rejected, nats a token", 3),
    "target_margin_mean": ("Target margin", 3),
    "clarity_mean": ("Clarity", 3),
    "sample_length": ("Length of sampled answers", 0),
    "pairs_per_second": ("Pairs a second", 2),
    "tokens_per_second": ("Tokens a second", 0),
}


def run_report(run_dir: str | Path) -> str:
    """The report of a run folder as one HTML page.

    Raises:
        InputError: no `metrics.jsonl`, or a file that does not hold what it should.
    """
    return run_page(run_dir).render()


def run_page(run_dir: str | Path) -> Page:
    """The page of a run folder, for HTML or Markdown."""
    folder = Path(run_dir)
    if not (folder / "metrics.jsonl").is_file():
        raise InputError("no metrics.jsonl in this folder", file=folder, expected=EXPECTED)
    metrics = training_files.read_metrics(folder / "metrics.jsonl")
    if not metrics:
        raise InputError(
            "holds no step yet", file=folder / "metrics.jsonl", fix="wait for the first log line"
        )
    about = _about(folder)
    recipe = _recipe(about, folder)
    manifest = _manifest(folder, about, recipe)
    loss = (recipe.get("loss") or {}).get("name")
    rate = _noise_rate(manifest, recipe)

    page = Page(f"Training run {folder.resolve().name}", _subtitle(about, recipe, metrics))
    page.section("Is it healthy?")
    for sign in signs(metrics, noise_rate=rate):
        page.warning(sign.text, level=sign.level)
    if about.get("objective"):
        page.section("Objective")
        page.code(str(about["objective"]))
    page.section("Training")
    if len(metrics) >= 4:
        _changes(page, metrics)
    styles = {"this run": loss_styles([loss])[loss]}
    parts.curves(page, {"this run": metrics}, styles, "Means over the pairs of each logging step.")
    if manifest:
        page.section("How the labels were corrupted")
        parts.noise(page, manifest)
    if (folder / "ledger.parquet").is_file():
        page.section("What training thought of each pair")
        ledger = training_files.read_ledger(folder / "ledger.parquet")
        parts.ledger(page, {"this run": ledger}, manifest)
    _origin(page, folder, about)
    return page


def _about(folder: Path) -> dict[str, Any]:
    path = folder / "run.json"
    about = read_json(path) if path.is_file() else {}
    if not isinstance(about, dict):
        raise InputError("holds no JSON object", file=path, expected="an object")
    return about


def _recipe(about: Mapping[str, Any], folder: Path) -> Mapping[str, Any]:
    recipe = about.get("recipe") or {}
    sections = ("loss", "model", "data", "noise")
    if not isinstance(recipe, dict) or not all(isinstance(recipe.get(key), dict | None) for key in sections):
        raise InputError(
            "holds no recipe",
            file=folder / "run.json",
            field="recipe",
            expected="an object with the sections " + ", ".join(sections),
        )
    name = (recipe.get("loss") or {}).get("name")
    if not isinstance(name, str | None):
        raise InputError(
            f"got {name!r}", file=folder / "run.json", field="recipe.loss.name", expected="a loss's name"
        )
    return recipe


def _manifest(folder: Path, about: Mapping[str, Any], recipe: Mapping[str, Any]) -> dict[str, Any] | None:
    """The run's own manifest, or that of the pair file, which lies beside it."""
    candidates = [folder / str(about.get("noise_manifest") or "noise.json")]
    pairs = (recipe.get("data") or {}).get("path")
    if isinstance(pairs, str):
        name = Path(pairs).name.removesuffix(".gz")
        for suffix in (".jsonl", ".json", ".parquet"):
            name = name.removesuffix(suffix)
        candidates.append(Path(pairs).with_name(f"{name}.noise.json") if name else folder / "noise.json")
    found = next((path for path in candidates if path.is_file()), None)
    return training_files.read_manifest(found) if found else None


def _noise_rate(manifest: Mapping[str, Any] | None, recipe: Mapping[str, Any]) -> float | None:
    if manifest and manifest.get("pairs"):
        return len(training_files.flipped_ids(manifest)) / manifest["pairs"]
    rate = (recipe.get("noise") or {}).get("rate")
    return rate if finite(rate) and rate else None


def _subtitle(about: Mapping[str, Any], recipe: Mapping[str, Any], metrics: list) -> str:
    words = []
    if (recipe.get("loss") or {}).get("name"):
        words.append(f"loss {recipe['loss']['name']}")
    if (recipe.get("model") or {}).get("path"):
        words.append(f"model {recipe['model']['path']}")
    if about.get("pairs"):
        words.append(f"{about['pairs']} pairs")
    words.append(f"{metrics[-1].get('step', len(metrics))} steps")
    if finite(about.get("seconds")):
        words.append(duration(about["seconds"]))
    if about.get("status") not in (None, "done"):
        words.append("not finished")
    return " · ".join(words)


def _changes(page: Page, metrics: list) -> None:
    rows = []
    for field, (name, digits) in CHANGES.items():
        found = ends(metrics, field, 0.1)
        if found:
            change = number(found[1] - found[0], digits, sign=True)
            rows.append([name, number(found[0], digits), number(found[1], digits), change])
    caption = "Means over the first and the last tenth of the logging steps."
    page.table(["Quantity", "At the start", "At the end", "Change"], rows, caption=caption)


def _origin(page: Page, folder: Path, about: Mapping[str, Any]) -> None:
    page.section("Make it again")
    page.code("gammapo train recipe.yaml output=NEW_FOLDER")
    recipe = folder / "recipe.yaml"
    if recipe.is_file():
        page.text("with this recipe, as it was resolved:")
        with open_text(recipe) as source:
            page.code(source.read())
    facts = {name: about[name] for name in ("machine", "data_fingerprint", "status") if about.get(name)}
    versions = about.get("versions")
    facts |= {str(name): version for name, version in versions.items()} if isinstance(versions, dict) else {}
    if facts:
        page.facts({name.replace("_", " "): value for name, value in facts.items()})
