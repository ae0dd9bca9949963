"""Pairs to a file: JSON lines in the conversational shape that this project, TRL and `datasets` all read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from gammapo import files
from gammapo.types import PreferencePair


def as_row(pair: PreferencePair) -> dict[str, Any]:
    """The pair as a row of shape `messages`; scores only where known."""
    row: dict[str, Any] = {
        "id": pair.id,
        "prompt": [message.as_dict() for message in pair.prompt],
        "chosen": [{"role": "assistant", "content": pair.chosen}],
        "rejected": [{"role": "assistant", "content": pair.rejected}],
    }
    if pair.chosen_score is not None or pair.rejected_score is not None:
        row |= {"score_chosen": pair.chosen_score, "score_rejected": pair.rejected_score}
    return row


def write_pairs(
    path: str | Path,
    pairs: Iterable[PreferencePair],
    *,
    overwrite: bool = False,
    extra: Mapping[str, Any] | None = None,
) -> Path:
    """Write pairs to a JSONL file, whole or not at all; `extra` columns are put into every row.

    Raises:
        InputError: the file exists and `overwrite` is False.
    """
    return files.write_jsonl(path, ({**as_row(pair), **(extra or {})} for pair in pairs), overwrite=overwrite)
