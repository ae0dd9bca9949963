"""How a source of rows is named: a file, a folder or a hub id, with a configuration or a split of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

from gammapo.errors import InputError

Row = tuple[int, Any]  # where it stands (see `sources`), and what it holds
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


class Place(NamedTuple):
    """Where a source lies, and which configuration of it is meant, None where it has one alone."""

    path: str
    config: str | None


def place_of(source: str | Path) -> Place:
    """`source` taken apart: `owner/name:CONFIG`, or `FOLDER:CONFIG`. A name that exists as it is has none."""
    path, _, config = str(source).rpartition(":")
    named = config and "/" not in config and (Path(path).exists() or HUB_ID.fullmatch(path))
    return Place(path, config) if path and named and not Path(source).exists() else Place(str(source), None)


def refuse_split(path: Path, split: str | None) -> None:
    """Raise InputError for a split asked of a single file, or of a folder that holds one data set."""
    if split not in (None, "train"):
        raise InputError(
            f"a single file has no split {split!r}",
            file=path,
            field="split",
            fix="leave the split out, or name the file that holds that split",
        )


def refuse_config(path: Path, config: str | None) -> None:
    if config is not None:
        raise InputError(
            f"has no configuration {config!r}",
            file=path,
            field="config",
            expected="a hub id or a folder whose README.md lists configurations",
            fix=f"leave :{config} out",
        )
