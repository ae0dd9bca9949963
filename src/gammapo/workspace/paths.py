"""Where the task's files lie, under one root."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from gammapo.errors import InputError

NAME = "qwen-2.5-7b-it-gammapo"  # of the first submission: its model, its outputs, its generator
PREFIX = "qwen-2.5-7b-it-"
ROOT = "/workspace"


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """The task's folder. What users bring: `dataset` and `checkpoint`; the rest is made."""

    root: Path
    name: str = NAME

    @property
    def dataset(self) -> Path:
        return self.root / "data/datasets/qwen_ultrafeedback_binarized"

    @property
    def checkpoint(self) -> Path:
        return self.root / "data/checkpoints/Qwen2.5-7b-Instruct"

    @property
    def recipe(self) -> Path:
        """The recipe with this workspace's paths, as it is trained."""
        return self.root / f"data/recipes/{self.name}.yaml"

    @property
    def run(self) -> Path:
        return self.root / f"data/runs/{self.name}"

    @property
    def model(self) -> Path:
        return self.root / f"data/models/{self.name}"

    @property
    def idea(self) -> Path:
        return self.root / "data/outputs/idea.md"

    @property
    def outputs(self) -> Path:
        return self.root / f"data/outputs/{self.name}"

    @property
    def submissions(self) -> Path:
        return self.root / "data/outputs/submissions.json"

    def check(self) -> None:
        """Raise InputError unless the two folders that users bring are there."""
        for folder, what, sign in (
            (self.dataset, "the pairs", "a folder written by datasets.save_to_disk, or with Parquet files"),
            (self.checkpoint, "the model", "config.json, weights and tokenizer"),
        ):
            if not folder.is_dir() or not any(folder.iterdir()):
                raise InputError(
                    f"{what} of the task are missing",
                    file=folder,
                    expected=sign,
                    fix="put them there, or name another root with --workspace or WORKSPACE",
                )


def open_workspace(root: str | Path | None = None, name: str | None = None) -> Workspace:
    """The workspace at `root`, else at $WORKSPACE, else at /workspace.

    Raises:
        InputError: no such folder, or a name that is none of a file.
    """
    if name is not None and (name in ("", ".", "..") or "/" in name or not name.isprintable()):
        raise InputError(
            f"got {name!r}",
            field="--name",
            expected="a name of its own for run, model and outputs, such as " + NAME,
            fix="leave out what no file name holds",
        )
    place = Path(root or os.environ.get("WORKSPACE") or ROOT)
    if not place.is_dir():
        raise InputError(
            "no such workspace", file=place, fix="create it, or name one with --workspace or WORKSPACE"
        )
    return Workspace(root=place.resolve(), name=name or NAME)
