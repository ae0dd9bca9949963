"""Another trainer's config while it is read: numbers are numbers, and the keys that nobody read are known."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from gammapo import files
from gammapo.errors import InputError

COUNTS = frozenset(
    "per_device_train_batch_size gradient_accumulation_steps max_length max_prompt_length lora_r".split()
)
WHOLE = COUNTS | {"max_steps", "seed"}
ABOVE_ZERO = COUNTS | {"beta"}
NUMBERS = WHOLE | {
    *"beta gamma gamma_beta_ratio simpo_gamma cpo_alpha sft_weight label_smoothing tau flip alpha".split(),
    *"learning_rate num_train_epochs warmup_ratio warmup_steps weight_decay max_grad_norm".split(),
    *"logging_steps adam_beta1 adam_beta2 adam_epsilon lora_alpha lora_dropout".split(),
}


class Theirs(dict[str, Any]):
    """Their keys, remembering whose values were read, so that none is dropped in silence."""

    def __init__(self, keys: dict[str, Any]):
        super().__init__(keys)
        self.seen: set[str] = set()

    def __getitem__(self, key: str) -> Any:
        self.seen.add(key)
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        self.seen.add(key)
        return super().get(key, default)

    def unread(self) -> dict[str, Any]:
        return {key: value for key, value in sorted(self.items()) if key not in self.seen}


def read_keys(path: str | Path) -> dict[str, Any]:
    """The keys of a YAML or JSON config, checked where they are numbers; a null one is unset, and left out.

    Raises:
        InputError: no mapping, or something else where a number belongs.
    """
    content = files.read_yaml(path)
    if not isinstance(content, dict):
        raise InputError("not a config", file=path, expected="a mapping of keys to values")
    given = {str(key): value for key, value in content.items() if value is not None}
    return {key: _number(key, value, path) if key in NUMBERS else value for key, value in given.items()}


def as_number(value: Any) -> int | float | None:
    """The number that a user means, also where it stands in quotes; None if it is none."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if abs(value) <= sys.float_info.max else None  # not infinity, nor NaN


def _number(key: str, value: Any, path: str | Path) -> int | float:
    found = as_number(value)
    if found is not None and key in WHOLE:
        found = int(found) if found == int(found) else None
    if found is None or (key in ABOVE_ZERO and found <= 0):
        kind = "a whole number" if key in WHOLE else "a number"
        raise InputError(
            f"got {value!r}",
            file=path,
            field=key,
            expected=kind + (" above 0" if key in ABOVE_ZERO else ""),
            fix="write the number that the run used",
        )
    return found
