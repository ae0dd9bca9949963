"""From two outputs files to comparisons, and from judgements to an annotations file."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gammapo import files
from gammapo.errors import InputError
from gammapo.judging.spec import Comparison
from gammapo.types import Judgement, Message


def pair_outputs(model: str | Path, reference: str | Path, *, partial: bool = False) -> list[Comparison]:
    """Compare a model's outputs with a reference's, instruction by instruction, in the reference's order.

    Args:
        model, reference: outputs files in AlpacaEval's format.
        partial: allow the model's file to lack some of the reference's instructions.

    Raises:
        InputError: rows without text, several generators in a file, instructions that are missing, or that
            the reference does not have (outputs for another set), each with its count.
    """
    mine, theirs = read_outputs(model), read_outputs(reference)
    waiting: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in mine:
        waiting[row["instruction"]].append(row)
    comparisons, missing = [], []
    for number, row in enumerate(theirs, 1):
        candidates = waiting[row["instruction"]]
        if candidates:
            comparisons.append(_comparison(row, candidates.pop(0)))
        else:
            missing.append(number)
    surplus = [row["instruction"] for rows in waiting.values() for row in rows]
    if not comparisons:
        raise InputError(
            f"answers another set: none of its {len(mine)} instructions is in {reference}",
            file=model,
            fix="answer the reference's prompts (gammapo generate --prompts …), or compare with another file",
        )
    if surplus:
        raise InputError(
            f"{len(surplus)} rows answer instructions that {reference} does not have (or answer them again), "
            f"the first is {surplus[0][:60]!r}",
            file=model,
            fix="generate for the reference's own set, or drop those rows",
        )
    if missing and not partial:
        raise InputError(
            f"lacks {len(missing)} of the {len(theirs)} instructions of {reference}, the first is its row "
            f"{missing[0]}",
            file=model,
            fix="generate the missing outputs, or judge what is there with --partial",
        )
    return comparisons


def _comparison(reference: dict[str, Any], model: dict[str, Any]) -> Comparison:
    turns = model.get("messages") or []
    return Comparison(
        instruction=reference["instruction"],
        output_1=reference["output"],
        output_2=model["output"],
        generator_1=str(reference.get("generator") or "reference"),
        generator_2=str(model.get("generator") or "model"),
        dataset=str(reference.get("dataset") or ""),
        messages=tuple(Message(role=turn["role"], content=turn["content"]) for turn in turns),
    )


def read_outputs(path: str | Path) -> list[dict[str, Any]]:
    """The rows of an outputs file of one generator, each with text `instruction` and `output`."""
    rows = files.read_json(path)
    if not isinstance(rows, list) or not rows:
        raise InputError("holds no rows", file=path, expected="a JSON list of outputs")
    for number, row in enumerate(rows, 1):
        for key in ("instruction", "output"):
            if not isinstance(row, dict) or not isinstance(row.get(key), str):
                annotation = isinstance(row, dict) and "output_1" in row
                raise InputError(
                    "is missing or no text",
                    file=path,
                    field=f"row {number}: {key}",
                    expected="text in every row",
                    fix="this is an annotations file: give its outputs"
                    if annotation
                    else "complete the row, or generate the outputs again",
                )
        if not _is_conversation(row.get("messages") or []):
            raise InputError(
                "is no message list",
                file=path,
                field=f"row {number}: messages",
                expected='objects {"role": …, "content": …} with text in both',
            )
        _refuse_half_characters(row, path, number)
    names = Counter(str(row.get("generator")) for row in rows)
    if len(names) > 1:
        held = ", ".join(f"{name} ({count})" for name, count in names.most_common(4))
        raise InputError(
            f"mixes {len(names)} generators: {held}", file=path, field="generator", expected="one a file"
        )
    return rows


def _refuse_half_characters(row: dict[str, Any], path: str | Path, number: int) -> None:
    """Raise InputError for a text that neither a model nor a file could be given."""
    texts = {key: str(row.get(key)) for key in ("instruction", "output", "generator", "dataset")}
    turns = row.get("messages") or []
    texts["messages"] = "".join(turn["role"] + turn["content"] for turn in turns)
    files.refuse_half_characters({f"row {number}: {key}": text for key, text in texts.items()}, path, None)


def _is_conversation(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(turn, dict) and isinstance(turn.get("role"), str) and isinstance(turn.get("content"), str)
        for turn in value
    )


def annotation_rows(judgements: Sequence[Judgement]) -> list[dict[str, Any]]:
    """Judgements as rows of an AlpacaEval annotations file."""
    return [
        {
            "dataset": judgement.extra.get("dataset", ""),
            "instruction": judgement.instruction,
            "output_1": judgement.output_1,
            "generator_1": judgement.generator_1,
            "output_2": judgement.output_2,
            "generator_2": judgement.generator_2,
            "annotator": judgement.annotator,
            "preference": judgement.preference,
            **{key: value for key, value in judgement.extra.items() if key != "dataset"},
        }
        for judgement in judgements
    ]
