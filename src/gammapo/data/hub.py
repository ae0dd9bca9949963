"""Rows of folders and hub ids, through `datasets`."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gammapo.data.place import Row, refuse_config, refuse_split
from gammapo.errors import InputError, first_line

CONFIGS = re.compile(r"(?:available configs|not found. Available): \[.*\]")  # as `datasets` lists them


def folder_rows(path: Path, config: str | None, split: str | None) -> Iterator[Row]:
    """A folder written by `datasets.save_to_disk`, or one of data files."""
    _refuse_escapes(path)
    import datasets

    if any((path / name).is_file() for name in ("dataset_dict.json", "state.json")):
        refuse_config(path, config)
    if (path / "dataset_dict.json").is_file():
        splits = datasets.load_from_disk(str(path))
        return _table(_pick(splits, split, path))
    if (path / "state.json").is_file():
        refuse_split(path, split)
        return _table(datasets.load_from_disk(str(path)))
    return hub_rows(str(path if path.name else path.resolve()), config, split)  # "." has no name


def _refuse_escapes(path: Path) -> None:
    """A link in the folder that leads out of it would read what was not given."""
    root = path.resolve()
    allowed = [root]
    if root.parent.name == "snapshots":  # the hub's cache: a snapshot is links to the repository's blobs
        allowed.append(root.parent.parent / "blobs")
    for entry in path.rglob("*"):
        if entry.is_symlink() and not any(entry.resolve().is_relative_to(place) for place in allowed):
            raise InputError(
                "is a link that leads out of the given folder",
                file=entry,
                expected="data files inside the folder",
                fix="copy the file into the folder, or give its own path",
            )


def hub_rows(name: str, config: str | None, split: str | None) -> Iterator[Row]:
    """A hub id, or a folder of data files, through `datasets.load_dataset`."""
    fix = "check the name and the connection, or give a local file or folder"
    try:
        found = _load(name, config, split)
    except ValueError as error:
        if listed := CONFIGS.search(str(error)):
            raise InputError(
                "holds several configurations" if config is None else f"no configuration {config!r}",
                file=name,
                field="config",
                expected="one of " + ", ".join(re.findall(r"'(.*?)'", listed.group())),
                fix=f"name it behind a colon, as {name}:CONFIG",
            ) from error
        raise InputError(first_line(error), file=name, field="split" if split else None, fix=fix) from error
    except Exception as error:  # the hub client raises many kinds; none of them is a fault of ours
        told, cause = first_line(error), error.__cause__
        if cause is not None and Path(name).is_dir():  # of files that cannot be read it alone says why
            told = " ".join(str(cause).split())[:300] or told
            fix = "give each of its files alone, where a fault is named by its line, and mend it there"
        raise InputError(f"cannot be loaded: {told}", file=name, fix=fix) from error
    return _table(found if split else _pick(found, None, name))


def _load(name: str, config: str | None, split: str | None) -> Any:
    import datasets

    if (
        not Path(name).is_dir()
        or (config := config or datasets.get_dataset_default_config_name(name)) is None
    ):
        return datasets.load_dataset(name, config, split=split)
    # where its README lists configurations, the cache tells a folder by that and its name, not by its files;
    # a description, too, is a part of the cache's key
    return datasets.load_dataset(name, config, split=split, description=f"files {_state(Path(name))}")


def _state(folder: Path) -> str:
    """A hash of a folder's place and of its files' names, sizes and times."""
    found = sorted(one for one in folder.rglob("*") if one.is_file())
    seen = [(str(one), one.stat().st_size, one.stat().st_mtime_ns) for one in found]
    return hashlib.sha256(json.dumps([str(folder.resolve()), seen]).encode()).hexdigest()[:16]


def _pick(splits: Any, split: str | None, place: str | Path) -> Any:
    known = list(splits)
    if split is None and len(known) == 1:
        return splits[known[0]]
    if split in known:
        return splits[split]
    raise InputError(
        "holds several splits" if split is None else f"no split {split!r}",
        file=place,
        field="split",
        expected="one of " + ", ".join(known),
        fix="name the split",
    )


def _table(dataset: Any) -> Iterator[Row]:
    yield from enumerate(dataset, start=1)
