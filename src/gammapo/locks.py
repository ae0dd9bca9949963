"""A file lock that the operating system opens when its holder ends, a SIGKILL included."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from gammapo.errors import InputError


class FileLock:
    """Held from its making until `release`; the file is gone afterwards.

    Without `fcntl` (Windows), on a file system that knows no locks, and where no file can be made, nothing is
    held: whoever writes there will say better what is wrong.

    Args:
        path: of the lock file.
        refusal: raised where another process holds it.
    """

    def __init__(self, path: Path, refusal: InputError):
        self.path = path
        self._held = _take(path, refusal)

    def release(self) -> None:
        if self._held is None:
            return
        with suppress(OSError):
            self.path.unlink()
        os.close(self._held)  # which also unlocks it
        self._held = None


def _take(path: Path, refusal: InputError) -> int | None:
    try:
        import fcntl
    except ImportError:  # not on Windows
        return None
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            held = os.open(path, os.O_CREAT | os.O_RDWR, 0o644)
        except OSError:
            return None
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(held)
            raise refusal from None
        except OSError:  # some network file systems have no locks
            os.close(held)
            return None
        if _is_there(path, held):
            return held
        os.close(held)  # its last holder removed it between the opening and the locking; take a new one


def _is_there(path: Path, held: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(held))
    except FileNotFoundError:
        return False
