"""Checkpoints that are whole or absent: written aside, sealed with a list of their files, then renamed."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import shutil
from pathlib import Path

from gammapo import files

logger = logging.getLogger(__name__)
SEAL = "checkpoint.json"
_WHOLE = 64 << 20  # larger files are fingerprinted by their size and by samples, to cost seconds at most


def folder(run: Path, step: int) -> Path:
    return run / "checkpoints" / f"checkpoint-{step}"


def staging(run: Path) -> Path:
    """Where a checkpoint is written before it counts."""
    return run / "checkpoints" / ".writing"


def commit(run: Path, step: int, keep: int) -> Path:
    """Seal the staged checkpoint, rename it into place, and remove all but the newest `keep`.

    A later one that is there already was unusable when the run went back, and must not be kept in place of a
    whole one.
    """
    staged = staging(run) / f"checkpoint-{step}"
    prints = {
        str(path.relative_to(staged)): _fingerprint(path)
        for path in sorted(staged.rglob("*"))
        if path.is_file()
    }
    files.write_json(staged / SEAL, {"step": step, "files": prints})
    target = folder(run, step)
    if target.exists():  # the same step again, after a resume from an earlier checkpoint
        shutil.rmtree(target)
    staged.rename(target)
    shutil.rmtree(staging(run), ignore_errors=True)
    steps = _steps(run)
    kept = [one for one in steps if one <= step][-keep:]
    for other in set(steps) - set(kept):
        shutil.rmtree(folder(run, other), ignore_errors=True)
    return target


def last_good(run: Path) -> Path | None:
    """The newest checkpoint that is whole; a torn or corrupt one is passed over, and that is said."""
    for step in reversed(_steps(run)):
        candidate = folder(run, step)
        if fault := _fault(candidate):
            logger.warning("checkpoint %s is not usable (%s); going back to an earlier one", candidate, fault)
        else:
            return candidate
    return None


def _steps(run: Path) -> list[int]:
    found = (
        re.fullmatch(r"checkpoint-(\d+)", path.name) for path in (run / "checkpoints").glob("checkpoint-*")
    )
    return sorted(int(match.group(1)) for match in found if match)


def _fault(checkpoint: Path) -> str | None:
    try:
        listed = json.loads((checkpoint / SEAL).read_text())["files"]
    except (OSError, ValueError, KeyError):
        return f"no readable {SEAL}"
    for name, fingerprint in listed.items():
        path = checkpoint / name
        if not path.is_file():
            return f"{name} is missing"
        if _fingerprint(path) != fingerprint:
            return f"{name} has changed"
    return None


def _fingerprint(path: Path) -> str:
    size = path.stat().st_size
    if size <= _WHOLE:
        return f"{size}-{files.sha256(path)}"
    digest = hashlib.sha256()
    with path.open("rb") as source:
        for sample in range(64):
            source.seek(sample * (size - (1 << 20)) // 63)
            digest.update(source.read(1 << 20))
    return f"{size}-sampled-{digest.hexdigest()}"
