"""How a CPU run gets its memory: once, and then again from what it freed itself.

A step frees its activations and the next one asks for as much. By default glibc hands large blocks back to
the system at once, and the system clears every page before it lends it again: on a virtual machine a tenth
of a step. The peak of memory is the same either way.
"""

from __future__ import annotations

import ctypes
import os
import sys

MMAP_THRESHOLD, TRIM_THRESHOLD = -3, -1  # glibc's names for mallopt
BLOCK, NEVER = 1 << 30, -1  # bytes: a larger block is still the system's; the rest is never handed back


def reuse_freed_memory() -> bool:
    """Keep freed memory for the next step, and ask for huge pages; whether this system was told so.

    Call it before the first tensor is made: torch reads its variable only once. A variable that the user has
    set is left as it is. Does nothing but on Linux with glibc.
    """
    if not sys.platform.startswith("linux"):
        return False
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):  # another C library
        return False
    return bool(mallopt(MMAP_THRESHOLD, BLOCK)) and bool(mallopt(TRIM_THRESHOLD, NEVER))
