"""Metrics reach the trackers of transformers' `report_to`: each one's real package, offline."""

import contextlib
import importlib.util
import json
import sqlite3
import sys

import pytest

from gammapo.errors import InputError, MissingExtraError
from gammapo.training import parse_recipe, train

FIELDS = ("loss", "reward_gap", "target_margin_mean", "chosen_logp", "sample_length", "pairs_per_second")


def trained(recipe_dict, tracker, **more):
    recipe_dict["training"] |= {"report_to": tracker, "sample_every": 5, "samples": 2, "sample_tokens": 8}
    recipe_dict["training"] |= more
    folder = train(parse_recipe(recipe_dict)).folder
    return folder, [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_tensorboard(recipe_dict, monkeypatch, tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", str(tmp_path / "board"))
    _, rows = trained(recipe_dict, "tensorboard")
    events = EventAccumulator(str(tmp_path / "board"))
    events.Reload()
    for field in FIELDS:
        written = {event.step: event.value for event in events.Scalars(f"train/{field}")}
        expected = {row["step"]: row[field] for row in rows if field in row}
        assert written == pytest.approx(expected, rel=1e-6), field


def test_wandb_offline(recipe_dict, monkeypatch, tmp_path):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.setenv("WANDB_SILENT", "true")
    _, rows = trained(recipe_dict, "wandb")
    import wandb

    assert wandb.run is not None
    summary = dict(wandb.run.summary)
    wandb.finish()
    for field in FIELDS:
        last = [row[field] for row in rows if field in row][-1]
        assert summary[f"train/{field}"] == pytest.approx(last), field
    assert list((tmp_path / "wandb").glob("offline-run-*/*.wandb"))


def test_trackio(recipe_dict, monkeypatch, tmp_path):
    if importlib.util.find_spec("trackio") is None:
        pytest.skip("trackio is not installed")
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))  # read when the package is imported
    if "trackio" in sys.modules:
        pytest.skip("trackio was imported before, and has fixed its folder")
    _, rows = trained(recipe_dict, "trackio", project="gammapo-test")
    with contextlib.closing(sqlite3.connect(tmp_path / "trackio" / "gammapo-test.db")) as base:
        kept = [json.loads(row) for (row,) in base.execute("select metrics from metrics order by id")]
    for field in FIELDS:
        written = {row["train/global_step"]: row[f"train/{field}"] for row in kept if f"train/{field}" in row}
        assert written == pytest.approx({row["step"]: row[field] for row in rows if field in row}), field


@pytest.mark.parametrize("name", ["tensorboard", "wandb", "trackio"])
def test_a_tracker_that_is_not_installed_is_said_before_anything_is_read(recipe_dict, monkeypatch, name):
    found = importlib.util.find_spec
    hidden = {"tensorboard", "tensorboardX", "wandb", "trackio"}
    monkeypatch.setattr(importlib.util, "find_spec", lambda n, *a: None if n in hidden else found(n, *a))
    recipe_dict["training"] |= {"report_to": [name]}
    recipe_dict["data"]["path"] = "nowhere.jsonl"
    with pytest.raises(MissingExtraError, match=r"gammapo\[track\]"):
        train(parse_recipe(recipe_dict))


def test_an_unknown_tracker_names_the_nearest(recipe_dict):
    recipe_dict["training"] |= {"report_to": "tensorbord"}
    with pytest.raises(InputError, match="'tensorboard'"):
        train(parse_recipe(recipe_dict))
