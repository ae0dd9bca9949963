"""One training at a time in a run folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gammapo.errors import InputError
from gammapo.locks import FileLock

NAME = "training.lock"


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Keep every other process from training in the folder for as long as the context lasts.

    A killed run never stands in the way of its own resume; see `FileLock`. A folder made for the lock
    that has stayed empty is gone afterwards, like the lock.

    Raises:
        InputError: another process trains here.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    refusal = InputError(
        "another process trains here",
        file=folder,
        field="output",
        fix="wait for it, or name another output folder",
    )
    lock = FileLock(folder / NAME, refusal)
    try:
        yield
    finally:
        lock.release()
        for path in made:
            with suppress(OSError):  # not empty: a run lies there now
                path.rmdir()
