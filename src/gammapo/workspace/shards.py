"""Data-parallel answering: a set of prompts in as many parts as there are GPUs, and their answers in one.

Parts are contiguous, so that putting them together in order is the set's own order.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from gammapo import files
from gammapo.errors import InputError
from gammapo.generation import PromptItem, load_prompts
from gammapo.generation.check import read_rows

KEYS = ("dataset", "instruction", "output", "generator")


def write_shards(prompts: str | Path, folder: Path, count: int, *, split: str | None = None) -> list[Path]:
    """Cut a set into `count` files of prompts (fewer if there are fewer prompts), `prompts-0.jsonl`, …

    Raises:
        InputError: no set, or one of these files is the set itself, or lies in it.
    """
    several = parts(load_prompts(prompts, split=split).items, count)
    for index in range(len(several)):  # before any is written
        files.refuse_input(folder / f"prompts-{index}.jsonl", [prompts])
    paths = []
    for index, part in enumerate(several):
        rows = [
            {
                "dataset": item.dataset,
                "instruction": item.instruction,
                "messages": [message.as_dict() for message in item.messages],
            }
            for item in part
        ]
        paths.append(files.write_jsonl(folder / f"prompts-{index}.jsonl", rows))
    return paths


def parts(items: Sequence[PromptItem], count: int) -> list[Sequence[PromptItem]]:
    """Contiguous parts whose sizes differ by one at most, none of them empty."""
    count = max(1, min(count, len(items)))
    edges = [round(index * len(items) / count) for index in range(count + 1)]
    return [items[start:end] for start, end in pairwise(edges)]


def merge_outputs(
    prompts: str | Path,
    shards: Sequence[Path],
    output: Path,
    *,
    generator: str,
    split: str | None = None,
    overwrite: bool = False,
) -> int:
    """Put the parts' answers together, in the set's order and number, with AlpacaEval's four keys.

    Returns:
        The number of rows.

    Raises:
        InputError: a part is missing or holds no answers, the answers are not those of the set, row by row,
            or `output` is one of the files that are read.
    """
    files.refuse_input(output, [prompts, *shards])
    if not overwrite:
        files.refuse_existing(output)
    answers: list[dict[str, Any]] = [row for shard in shards for row in read_rows(shard)]
    items = load_prompts(prompts, split=split).items
    if len(answers) != len(items):
        raise InputError(
            f"{len(answers)} answers to {len(items)} prompts",
            file=output,
            fix="run infer.sh again: finished parts are kept, and the missing one is made",
        )
    rows = []
    for number, (item, answer) in enumerate(zip(items, answers, strict=True), start=1):
        if answer["instruction"] != item.instruction:
            raise InputError(
                f"row {number} answers another instruction than the set's",
                file=output,
                fix="remove the parts and run infer.sh again",
            )
        values = (item.dataset, item.instruction, answer["output"], generator)
        rows.append(dict(zip(KEYS, values, strict=True)))
    files.write_json(output, rows, overwrite=True)
    return len(rows)
