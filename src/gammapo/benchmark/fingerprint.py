"""What a result depends on: the options of its run, and the code that made it.

Code is taken in as the syntax tree of a module and of the gammapo modules that it imports, without
docstrings, so that a comment or a better word changes nothing, and a changed formula makes old results
unreachable instead of wrong.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

# rooms whose code decides a result; errors, types and files do not, nor what keeps records of noise
ROOMS = ("gammapo.losses", "gammapo.margins", "gammapo.noise", "gammapo.benchmark.worlds")
RECORDS = ("gammapo.noise.guards", "gammapo.noise.manifest")


def content_hash(value: Mapping[str, Any]) -> str:
    """16 hex digits of a JSON object, whatever the order of its keys."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def source_hash(*modules: str) -> str:
    """A hash of the code of these modules and of all that they import from `ROOMS`."""
    seen: dict[str, str] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen[name], imported = _read(name)
            waiting += imported
    return hashlib.sha256("".join(seen[name] for name in sorted(seen)).encode()).hexdigest()


@cache
def _read(name: str) -> tuple[str, tuple[str, ...]]:
    """(hash of the code, imported modules of `ROOMS`) of one module; a module without a file hashes empty."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.origin or not spec.origin.endswith(".py"):
        return "", ()
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            imported.add(node.module)
            imported |= {f"{node.module}.{alias.name}" for alias in node.names}
    _drop_docstrings(tree)
    ours = sorted(
        one for one in imported if one.startswith(ROOMS) and not one.startswith(RECORDS) and _is_module(one)
    )
    return hashlib.sha256(ast.unparse(tree).encode()).hexdigest(), tuple(ours)


def _drop_docstrings(tree: ast.Module) -> None:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:]


def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # an attribute of a module, not a module
        return False
