"""Other trainers' data sets, splits and limits as a recipe's data section.

Sources: github.com/huggingface/alignment-handbook (src/alignment/data.py; `dataset_mixer` until 2025,
`dataset_mixture` since), and those of configs.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gammapo.errors import InputError
from gammapo.integrations.config_keys import as_number

Config = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """A data set that they train on. `share` is the part of its rows; `config` the hub's name of a subset."""

    path: str
    split: str
    share: float = 1.0
    config: str | None = None

    @property
    def source(self) -> str:
        """As a recipe names it."""
        return self.path if self.config in (None, "default") else f"{self.path}:{self.config}"

    def __str__(self) -> str:
        return f"{self.source} {self.split}" + ("" if self.share == 1 else f" × {self.share:g}")


def data_section(theirs: Config, kind: str, path: str | Path, said: list[str]) -> Config:
    """The recipe's data section of a config of that kind; differences are added to `said`.

    Raises:
        InputError: no data set is named, or what names it cannot be read.
    """
    where, sets = _sets(theirs, path)
    if not sets:
        raise InputError(
            "no data set is named",
            file=path,
            field=where,
            expected="one in dataset_name, dataset_mixer or dataset_mixture",
        )
    _say_sets(where, sets, said)
    if where == "dataset_mixture" and (held := theirs[where].get("test_split_size")):
        said.append(
            f"dataset_mixture: test_split_size={held} of the mixture, drawn at random, is held out of their "
            "training; here the whole split is trained on"
        )
    return {"path": sets[0].source, "split": sets[0].split, **_limits(theirs, kind, said)}


# ---- data sets ----


def _sets(theirs: Config, path: str | Path) -> tuple[str, list[DataSet]]:
    """The key that names data sets, and those of which anything is trained on."""
    if "dataset_mixture" in theirs:
        found = _of_mixture(theirs["dataset_mixture"], path)
        return "dataset_mixture", [one for one in found if one.share]
    splits = _splits(theirs, path)
    if "dataset_mixer" in theirs:
        found = _of_mixer(theirs["dataset_mixer"], splits, theirs.get("dataset_configs"), path)
        return "dataset_mixer", [one for one in found if one.share]
    if "dataset_name" not in theirs:
        return "dataset_name", []
    name = _text(theirs["dataset_name"], path, "dataset_name")
    return "dataset_name", [
        DataSet(path=name, split=split, config=theirs.get("dataset_config")) for split in splits
    ]


def _splits(theirs: Config, path: str | Path) -> list[str]:
    """The splits that are trained on: those with "train" in their names, as in the handbook's code."""
    if "dataset_splits" not in theirs:
        return [_text(theirs.get("dataset_train_split", "train"), path, "dataset_train_split")]
    given = theirs["dataset_splits"]
    names = [given] if isinstance(given, str) else given
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise InputError(
            f"got {given!r}", file=path, field="dataset_splits", expected="a list of splits, as [train, test]"
        )
    return [name for name in names if "train" in name] or names[:1]


def _of_mixer(mixer: Any, splits: list[str], configs: Any, path: str | Path) -> list[DataSet]:
    if not isinstance(mixer, dict):
        raise InputError(
            f"got {mixer!r}",
            file=path,
            field="dataset_mixer",
            expected="data sets with their shares, as {owner/name: 1.0}",
            fix="write it so, as their trainer needs it too",
        )
    subsets = [None] * len(mixer) if configs is None else configs
    if not isinstance(subsets, list) or len(subsets) != len(mixer):
        raise InputError(
            f"got {configs!r}", file=path, field="dataset_configs", expected=f"a list of {len(mixer)}"
        )
    return [
        DataSet(
            path=_text(name, path, "dataset_mixer"),
            split=split,
            share=_share(share, path, f"dataset_mixer.{name}"),
            config=config,
        )
        for (name, share), config in zip(mixer.items(), subsets, strict=True)
        for split in splits
    ]


def _of_mixture(mixture: Any, path: str | Path) -> list[DataSet]:
    rows = mixture.get("datasets") if isinstance(mixture, dict) else None
    if not isinstance(rows, list):
        raise InputError(
            f"got {mixture!r}",
            file=path,
            field="dataset_mixture",
            expected="data sets, as {datasets: [{id: owner/name, split: train}]}",
        )
    found = []
    for index, row in enumerate(rows):
        field = f"dataset_mixture.datasets[{index}]"
        if not isinstance(row, dict):
            raise InputError(f"got {row!r}", file=path, field=field, expected="{id: …, split: …, weight: …}")
        weight = row.get("weight")
        found.append(
            DataSet(
                path=_text(row.get("id"), path, f"{field}.id"),
                split=_text(row.get("split", "train"), path, f"{field}.split"),
                share=1.0 if weight is None else _share(weight, path, f"{field}.weight"),
                config=row.get("config"),
            )
        )
    return found


def _share(value: Any, path: str | Path, field: str) -> float:
    share = as_number(value)
    if share is None or not 0 <= share <= 1:
        raise InputError(f"got {value!r}", file=path, field=field, expected="a share of its rows, 0 to 1")
    return share


def _text(value: Any, path: str | Path, field: str) -> str:
    if not isinstance(value, str) or not value:
        raise InputError(f"got {value!r}", file=path, field=field, expected="a name")
    return value


# ---- what a user should know ----


def _say_sets(where: str, sets: list[DataSet], said: list[str]) -> None:
    first, shares = sets[0], any(one.share != 1 for one in sets)
    if len(sets) > 1:
        sources = ", ".join(f"{{path: {one.source}, split: {one.split}}}" for one in sets)
        weights = "; a weight there is a share of the result, not of the set" if shares else ""
        said.append(
            f"{where}: of {', '.join(map(str, sets))} only the first is taken, whole. For all of them, name "
            f"a YAML file as data.path, with sources: [{sources}]{weights}"
        )
    elif shares:
        said.append(f"{where}: of {first} all rows are taken; data.limit takes the first pairs only")


def _limits(theirs: Config, kind: str, said: list[str]) -> Config:
    """The limits of tokens, and what is cut otherwise than by their trainer."""
    mode = theirs.get("truncation_mode")
    side = "first" if mode == "keep_start" else "last"
    if kind in ("simpo", "gammapo"):
        limit, prompt = theirs.get("max_length", 512), theirs.get("max_prompt_length", 128)
        said.append(
            f"truncation: where prompt and answer exceed {limit} tokens, their trainer cuts the prompt to "
            f"its {side} {prompt} tokens and then, if that is not enough, both answers to {limit} - {prompt} "
            f"= {limit - prompt} tokens, however short the prompt is. Here answers keep all the room the "
            "prompt leaves, a prompt is cut to that limit even if the whole would fit, and every cut is "
            "counted"
        )
        said.append(
            "end of turn: their trainer appends EOS to an answer before cutting it; here an answer ends with "
            "the template's end-of-turn token if and only if it was not cut, and there is never a second BOS"
        )
        return {"max_length": limit, "max_prompt_length": prompt}
    limit = theirs.get("max_length", 1024)
    if "max_prompt_length" not in theirs:
        end = "start" if mode == "keep_end" else "end"
        said.append(
            f"truncation: TRL cuts the {end} of prompt + answer at {limit} tokens ({mode or 'keep_start'}); "
            "here the prompt loses its beginning first, then answers their end, and both are counted"
        )
        return {"max_length": limit}
    prompt = theirs["max_prompt_length"]
    said.append(
        f"truncation: releases of TRL with max_prompt_length (before 0.29) cut a prompt to {prompt} tokens "
        f"(the oldest to its {side} ones, and only where prompt and answer exceed {limit}), and then what "
        f"still exceeds {limit}; later ones have no such limit. Here a prompt keeps its last {prompt} "
        "tokens, answers have all the room that it leaves, and every cut is counted"
    )
    return {"max_length": limit, "max_prompt_length": prompt}
