"""Before training: the recipe with the workspace's paths, checked against the task's rules, and idea.md."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from gammapo import files
from gammapo.errors import InputError
from gammapo.training import Recipe, load_recipe
from gammapo.workspace.limits import check_limits
from gammapo.workspace.paths import Workspace


@dataclass(frozen=True, kw_only=True)
class Start:
    """What start.sh trains. `notices` are to be told."""

    recipe: Recipe
    path: Path
    notices: list[str]


def prepare_start(
    workspace: Workspace,
    recipe: str | Path,
    overrides: list[str] | None = None,
    *,
    idea: Path | None = None,
    allow_out_of_range: bool = False,
) -> Start:
    """Check the workspace and the recipe; write the recipe as it will be trained, and idea.md.

    Raises:
        InputError: a missing folder, a setting outside the rules, a path that is the workspace's to say, or
            another recipe already being trained under this name.
    """
    workspace.check()
    own = [
        f"model.path={workspace.checkpoint}",
        f"data.path={workspace.dataset}",
        f"data.split={training_split(workspace.dataset) or 'null'}",
        f"output={workspace.run}",
    ]
    checked = load_recipe(recipe, [*own, *(overrides or [])])
    _refuse_other_paths(checked, workspace)
    notices = check_limits(checked, allow_out_of_range=allow_out_of_range)
    said = None if idea is None else _read_idea(idea)
    text = checked.as_yaml()
    path = workspace.recipe
    if path.exists() and path.read_text("utf-8") != text and (workspace.run / "run.json").exists():
        raise InputError(
            f"another recipe was trained under the name {workspace.name!r}",
            file=path,
            fix="give this one another --name, or remove that run, its model and its recipe",
        )
    files.write_text(path, text)
    if said is not None:
        files.write_text(workspace.idea, said)
    return Start(recipe=checked, path=path, notices=notices)


def _read_idea(path: Path) -> str:
    if not path.is_file():
        raise InputError("no such file", file=path, field="--idea", fix="check the path")
    with files.open_text(path) as source:
        return source.read()


def _refuse_other_paths(recipe: Recipe, workspace: Workspace) -> None:
    """Raise InputError if the run would lie, or be trained from and on, elsewhere than later steps look."""
    for field, given, own in (
        ("model.path", recipe.model.path, workspace.checkpoint),
        ("data.path", recipe.data.path, workspace.dataset),
        ("output", recipe.output, workspace.run),
    ):
        if given != str(own):
            raise InputError(
                f"got {given!r}",
                field=field,
                expected=f"{own}, as the workspace has it",
                fix="leave it out; --workspace and --name say where things lie, gammapo train takes any path",
            )


def _listed(path: Path) -> list[str]:
    """The splits that `datasets` wrote down."""
    content = files.read_json(path)
    splits = content.get("splits") if isinstance(content, dict) else None
    if not isinstance(splits, list) or not all(isinstance(name, str) for name in splits):
        raise InputError(
            "names no splits",
            file=path,
            field="splits",
            expected="a list of names, as DatasetDict.save_to_disk writes it",
            fix="save the data set again",
        )
    return splits


def training_split(dataset: Path) -> str | None:
    """The training split of a folder with several, as UltraFeedback names it; None for anything else."""
    listed = dataset / "dataset_dict.json"
    if listed.is_file():
        splits = _listed(listed)
    else:  # as on the hub: data/train_prefs-00000-of-00001.parquet
        names = (re.fullmatch(r"(\w+)-\d{5}-of-\d{5}", path.stem) for path in dataset.rglob("*.parquet"))
        splits = sorted({name.group(1) for name in names if name})
    if not splits:
        return None
    for name in ("train_prefs", "train"):
        if name in splits:
            return name
    raise InputError(
        f"has the splits {', '.join(splits)}",
        file=dataset,
        field="split",
        expected="train_prefs or train",
        fix="rename the split, or save the training pairs alone",
    )
