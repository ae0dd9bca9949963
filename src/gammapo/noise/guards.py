"""What noise must not touch: data that is noisy already, and what is to measure; and whose a fault is."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import gammapo
from gammapo import registry
from gammapo.errors import GammapoError, InputError, RunError
from gammapo.noise.manifest import made_from, manifest_path, read_manifest

HELD_OUT = {"test", "eval", "evaluation", "val", "valid", "validation", "dev", "heldout"}


def refuse_corrupted(source: str | Path, marker: str | None, sha256: str | None = None) -> None:
    """Raise InputError if the file is noisy already: its rows carry a mark, or a manifest lies beside it that
    was not made from this very file.

    Applied twice, noise flips some labels back, and no manifest tells which.

    Args:
        sha256: as `data.source_sha256` has it; needed of what is no single file of pairs.
    """
    beside = manifest_path(source)
    if marker is None and (not beside.is_file() or made_from(read_manifest(beside), source, sha256)):
        return
    evidence = f"its rows carry the mark {marker}" if marker else f"{beside.name} lies beside it"
    raise InputError(
        f"has been corrupted already: {evidence}",
        file=source,
        fix="start from the clean file, or leave out the noise asked for now; `gammapo corrupt` takes "
        "several kinds at once, or --force to add to what is there",
    )


def refuse_held_out(source: str | Path, split: str | None) -> None:
    """Raise InputError if a split's or file's name says that it is for evaluation."""
    for what, name in (("split", split or ""), ("file", Path(source).name)):
        words = set(re.split(r"[^a-z]+", re.sub(r"held.out", "heldout", name.lower())))
        found = sorted(words & HELD_OUT)
        if found:
            raise InputError(
                f"the {what} {name!r} is for evaluation, by the word {found[0]!r}",
                file=source,
                expected="training data; what measures must stay clean",
                fix="name training data; `gammapo corrupt --force` corrupts it all the same",
            )


@contextmanager
def own_noise_told(kinds: Iterable[str]) -> Iterator[None]:
    """Say in one line what a user's own noise among `kinds` raises while the block runs.

    Raises:
        RunError: in its place, with the kind and the line of the user's code.
    """
    try:
        yield
    except GammapoError:
        raise
    except Exception as error:
        own = [kind for kind in kinds if kind not in registry.NOISE]
        if not own:
            raise
        here = str(Path(gammapo.__file__).parent)
        frames = [one for one in traceback.extract_tb(error.__traceback__) if here not in one.filename]
        at = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
        reason = str(error).partition("\n")[0]
        raise RunError(f"noise {' or '.join(own)} failed{at}: {type(error).__name__}: {reason}") from error
