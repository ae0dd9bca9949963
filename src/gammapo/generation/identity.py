"""What drew an answer, beside its prompt and its sampling: answers of two such are not mixed in one file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gammapo.generation.spec import Backend


def settings(backend: Backend) -> dict[str, Any]:
    """The backend's kind, and what it says that its answers depend on (dtype, address of the server)."""
    told = getattr(backend, "settings", {})
    return {"backend": type(backend).__name__, **(told if isinstance(told, Mapping) else {})}


def written(model: str) -> int | None:
    """When a model's folder was last written, in ns since 1970, as a new training may reuse it; else None."""
    folder = Path(model)
    times = [path.stat().st_mtime_ns for path in folder.iterdir()] if folder.is_dir() else []
    return max(times, default=None)
