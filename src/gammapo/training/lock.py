"""One training at a time in a run folder: a lock that the operating system opens when its holder ends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gammapo.errors import InputError

NAME = "training.lock"


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Keep every other process from training in the folder for as long as the context lasts.

    A SIGKILL opens the lock too, so a killed run never stands in the way of its own resume. Without `fcntl`
    (Windows), on a file system that knows no locks, and where no file can be made, nothing is held. The lock
    file is gone afterwards, and so is a folder that was made for it and has stayed empty.

    Raises:
        InputError: another process trains here.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    lock = _take(folder)
    try:
        yield
    finally:
        if lock is not None:
            with suppress(OSError):
                (folder / NAME).unlink()
            os.close(lock)  # which also unlocks it
        for path in made:
            with suppress(OSError):  # not empty: a run lies there now
                path.rmdir()


def _take(folder: Path) -> int | None:
    try:
        import fcntl
    except ImportError:  # not on Windows
        return None
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = os.open(folder / NAME, os.O_CREAT | os.O_RDWR, 0o644)
        except OSError:  # the run will say it better when it writes there
            return None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(lock)
            raise InputError(
                "another process trains here",
                file=folder,
                field="output",
                fix="wait for it, or name another output folder",
            ) from error
        except OSError:  # some network file systems have no locks
            os.close(lock)
            return None
        if _is_there(folder / NAME, lock):
            return lock
        os.close(lock)  # its last holder removed it between the opening and the locking; take a new one


def _is_there(path: Path, lock: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(lock))
    except FileNotFoundError:
        return False
