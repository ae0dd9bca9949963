"""Reading a model with nothing left to chance: every weight from its files, no code from beside them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gammapo.errors import GammapoError, InputError

# code that lies beside a model's weights is not run, and nobody is asked at the terminal whether it may be
OPTIONS = {"trust_remote_code": False}


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bars of transformers' own, and no notices of one library to another's authors."""
    import warnings

    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        if shown:
            logging.enable_progress_bar()


@contextmanager
def reading(what: str, path: str | Path, **told: Any) -> Iterator[None]:
    """Whatever a damaged file makes its reader raise becomes an InputError that names the file.

    Want of memory stays what it is. `told`: the error's field, expected and fix.
    """
    import torch

    try:
        with quiet():
            yield
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        if isinstance(error, GammapoError) or "allocate" in str(error):  # no memory, as PyTorch says on a CPU
            raise
        raise InputError(f"no {what}: {_told(error)}", file=path, **told) from error


def read_whole(auto: Any, where: str, *, expected: str, fix: str, **options: Any) -> Any:
    """The model that `auto`, a class of transformers, reads; transformers would begin a weight that is
    missing at random, and say no more than that.

    Raises:
        InputError: weights are missing, or of another size than the config says.
    """
    model, info = auto.from_pretrained(
        where, output_loading_info=True, ignore_mismatched_sizes=True, **OPTIONS, **options
    )
    other_sizes = sorted(name for name, *_ in info["mismatched_keys"])
    missing = sorted(set(info["missing_keys"]) - set(other_sizes))
    for names, problem in ((missing, "are missing"), (other_sizes, "have other sizes than its config says")):
        if names:
            raise InputError(
                f"weights of the {type(model).__name__} {problem}: {names[0]}, {len(names)} in all",
                file=where,
                expected=expected,
                fix=fix,
            )
    return model


def _told(error: Exception) -> str:
    """What an error of another library says, in a line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = " ".join(lines[:2]) if lines and lines[0].endswith(":") else "".join(lines[:1])
    if "trust_remote_code" in str(error):
        told = "it needs code from beside its weights, which is not run here"
    told = told[:300].rstrip(". ") or "no reason given"
    return told if isinstance(error, (OSError, ValueError)) else f"{type(error).__name__}: {told}"
