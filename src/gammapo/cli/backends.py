"""The options of `--backend`, as each backend calls them."""

from __future__ import annotations

from typing import Any

from gammapo.errors import InputError

MODEL = "Folder, hub id or smollm2; for the backend server, MODEL@URL."
BACKEND = "transformers, vllm or server (OpenAI-compatible)."
BATCH_SIZE = "Answers at once (transformers, 32) or calls in flight (server, 8)."
DTYPE = "float32, bfloat16 or float16 (transformers: float32; vllm: the model's own)."
MAX_REFUSED = "server: prompts that may be refused in a row before it is taken to refuse all (10)."


def options_of(
    backend: str, *, batch_size: int | None, dtype: str | None, max_refused: int | None
) -> dict[str, Any]:
    """Keyword arguments of `generation.create`; what is not given is left to the backend.

    Raises:
        InputError: --max-refused of a backend that refuses nothing, --dtype of one that loads nothing.
    """
    if backend != "server" and max_refused is not None:
        raise InputError(
            f"has no part in the backend {backend}",
            field="--max-refused",
            fix="remove it, or --backend server",
        )
    if backend == "server" and dtype is not None:
        raise InputError(
            "has no part in the backend server, which loads no model",
            field="--dtype",
            fix="remove it, and name the type where the server is started",
        )
    given = {
        "concurrency" if backend == "server" else "batch_size": batch_size,
        "dtype": dtype,
        "max_refused": max_refused,
    }
    return {name: value for name, value in given.items() if value is not None}
