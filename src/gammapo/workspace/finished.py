"""What a finished run says of itself, once it is sure that this is one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gammapo import files
from gammapo.errors import InputError


def finished_note(run: Path, *, field: str | None = None) -> dict[str, Any]:
    """The content of a finished run's run.json.

    Args:
        run: its folder.
        field: the option that named it.

    Raises:
        InputError: no run, one that is not finished, or a run.json of something else.
    """
    path = run / "run.json"
    if not path.is_file():
        raise InputError(
            "no finished run: it has no run.json",
            file=run,
            field=field,
            fix="name the folder that `gammapo train` wrote",
        )
    note = files.read_json(path)
    recipe = note.get("recipe") if isinstance(note, dict) else None
    if not isinstance(recipe, dict) or not {"model", "data", "loss"} <= recipe.keys():
        raise InputError(
            "is of no run of gammapo",
            file=path,
            field=field,
            fix="name the folder that `gammapo train` wrote",
        )
    if note.get("status") != "done":
        raise InputError(
            "the run is not finished", file=path, field=field, fix="start it again: it goes on by itself"
        )
    return note
