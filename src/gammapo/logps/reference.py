"""Log-probs under the frozen reference: computed once by the same engine, kept in a file that knows what
it was computed from, so that a training step needs no second model."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gammapo.errors import InputError
from gammapo.logps.pairs import pair_logps
from gammapo.logps.support import arithmetic, evaluating
from gammapo.logps.unwrap import causal_lm
from gammapo.types import PairLogps, TokenizedPair

logger = logging.getLogger(__name__)
FORMAT = "1"
PLAIN = "float32"
METADATA = b"gammapo.reference"


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What reference log-probs depend on. `data` covers ids and token ids, and so the chat template and all
    truncation; `model` covers weights and config; `arithmetic` is the type that computed, which files from
    before it was noted do not say. `name` is for people and decides nothing."""

    data: str
    model: str
    name: str
    arithmetic: str = PLAIN
    format: str = FORMAT

    def difference(self, other: dict[str, Any]) -> str | None:
        """Why a file made from `other` cannot be used, or None if it can."""
        if other.get("format") != self.format:
            return "it has another format"
        if other.get("model") != self.model:
            return f"it was made with another model ({other.get('name') or 'unnamed'})"
        if other.get("data") != self.data:
            return "it was made from other pairs, tokens or lengths"
        there = other.get("arithmetic")
        if (there or PLAIN) != self.arithmetic:
            return f"it was computed in {there or 'an unnoted type'}, and now {self.arithmetic} computes"
        return None


def reference_logps(
    model: nn.Module,
    pairs: Sequence[TokenizedPair],
    *,
    tokens_per_batch: int = 8192,
    cache: str | Path | None = None,
    model_name: str = "",
    identity: str | None = None,
    must_exist: bool = False,
) -> PairLogps:
    """Summed log-probs of B pairs under `model` as it is now, in evaluation mode, without gradient.

    Args:
        model: the reference, as `pair_logps` takes it.
        pairs: B pairs; their order is kept.
        tokens_per_batch: the most tokens a forward pass reads (prompts counted once); a longer pair
            goes alone.
        cache: a Parquet file. If it was made from the same model and pairs it is read, otherwise it is said
            in the log why not, and the file is made again.
        model_name: shown when a cache turns out to be another model's.
        identity: what stands for the model's weights in the cache, where they cannot be asked (sharded over
            ranks, or trained since); None asks them.
        must_exist: the model is no longer the reference, so that the cache has to be used, in whatever type
            it was computed.

    Returns:
        PairLogps on the model's device, every tensor (B,).

    Raises:
        InputError: no pairs; or `must_exist`, and the cache is missing, damaged, or made from something else.

    In a distributed run the first rank reads or writes the cache, and the ranks share the work.
    """
    if not pairs:
        raise InputError("no pairs were given", field="pairs", expected="at least one pair")
    if cache is None:
        values = _compute(model, pairs, tokens_per_batch)
    else:
        weights = model_digest(model) if identity is None else identity
        digest = data_digest(pairs) if _rank() == 0 else ""  # of the first rank, which alone reads and writes
        computes = str(arithmetic(model)).removeprefix("torch.")
        origin = Origin(data=digest, model=weights, name=model_name, arithmetic=computes)
        found = _from_first_rank(lambda: _read(Path(cache), origin, pairs, any_arithmetic=must_exist))
        if found is None and must_exist:
            raise InputError(
                "the reference's log-probs are gone, or not those of this run, and the weights have been "
                "trained since",
                file=cache,
                fix="put the file back, or begin again in another output folder",
            )
        values = _compute(model, pairs, tokens_per_batch) if found is None else found
        if found is None and _rank() == 0:
            _write(Path(cache), origin, pairs, values)
    columns = torch.tensor(values, device=next(model.parameters()).device).t()
    lengths = [[len(pair.chosen), len(pair.rejected)] for pair in pairs]
    counts = torch.tensor(lengths, dtype=columns.dtype, device=columns.device).t()
    return PairLogps(
        chosen=columns[0], rejected=columns[1], chosen_length=counts[0], rejected_length=counts[1]
    )


# ---- computing ----


def _compute(model: nn.Module, pairs: Sequence[TokenizedPair], budget: int) -> list[list[float]]:
    """[chosen, rejected] of every pair, in order; each rank does its share."""
    batches = token_batches([pair.tokens for pair in pairs], budget)
    mine = batches[_rank() :: _world()]
    # sharded models must call forward equally often on every rank; a repeated batch changes nothing
    most = -(-len(batches) // _world())
    mine += [batches[0]] * (most - len(mine))
    values: dict[int, list[float]] = {}
    with torch.no_grad(), evaluating(model):
        for batch in mine:
            found = pair_logps(model, [pairs[i] for i in batch])
            rows = torch.stack((found.chosen, found.rejected), dim=1).tolist()
            values.update(zip(batch, rows, strict=True))
    if _world() > 1:
        parts: list[Any] = [None] * _world()
        torch.distributed.all_gather_object(parts, values)
        values = {i: row for part in parts for i, row in part.items()}
    return [values[i] for i in range(len(pairs))]


def token_batches(tokens: Sequence[int], budget: int) -> list[list[int]]:
    """Indices in batches of at most `budget` tokens (or one pair), the longest pairs first, so that a run
    which does not fit into memory fails at once and not at its end."""
    batches: list[list[int]] = []
    total = 0
    for index in sorted(range(len(tokens)), key=lambda i: (-tokens[i], i)):
        if not batches or total + tokens[index] > budget:
            batches.append([])
            total = 0
        batches[-1].append(index)
        total += tokens[index]
    return batches


def _distributed() -> bool:
    return torch.distributed.is_available() and torch.distributed.is_initialized()


def _rank() -> int:
    return torch.distributed.get_rank() if _distributed() else 0


def _world() -> int:
    return torch.distributed.get_world_size() if _distributed() else 1


def _from_first_rank(read: Callable[[], Any]) -> Any:
    shared = [read() if _rank() == 0 else None]
    if _world() > 1:
        torch.distributed.broadcast_object_list(shared, src=0)
    return shared[0]


# ---- what the values were made from ----


def data_digest(pairs: Sequence[TokenizedPair]) -> str:
    """Of ids and token ids, in order."""
    digest = hashlib.sha256()
    for pair in pairs:
        row = (pair.id, pair.prompt, pair.chosen, pair.rejected)
        digest.update(json.dumps(row).encode() + b"\n")
    return digest.hexdigest()


def model_digest(model: nn.Module) -> str:
    """Of the config and of every weight: name, shape, type, the exact integer sum of its bits and a sample
    of them. A changed weight changes it; a moved folder or a new name of the same weights does not."""
    config = getattr(causal_lm(model), "config", None)
    digest = hashlib.sha256(json.dumps(_settings(config), sort_keys=True, default=str).encode())
    for name, parameter in sorted(model.state_dict().items()):
        digest.update(f"{name} {tuple(parameter.shape)} {parameter.dtype}".encode())
        if isinstance(parameter, Tensor) and parameter.numel():
            digest.update(_bits(parameter))
    return digest.hexdigest()


def _settings(config: Any) -> dict[str, Any]:
    if config is None:
        return {}
    left_out = {"_name_or_path", "transformers_version", "use_cache", "architectures", "torch_dtype", "dtype"}
    return {key: value for key, value in config.to_dict().items() if key not in left_out}


def _bits(parameter: Tensor) -> bytes:
    local = getattr(parameter, "to_local", None)  # an FSDP2 parameter has this rank's share under it
    flat = (parameter if local is None else local()).detach().contiguous().flatten()
    whole = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}.get(flat.element_size())
    integers = flat.view(whole) if whole is not None and not flat.is_complex() else flat.view(torch.uint8)
    sample = integers[:: max(1, len(integers) // 64)].to(torch.int64)
    summary = [integers.sum(dtype=torch.int64).item(), *sample.tolist()]
    return json.dumps(summary).encode()


# ---- the file ----


def _read(
    path: Path, origin: Origin, pairs: Sequence[TokenizedPair], *, any_arithmetic: bool = False
) -> list[list[float]] | None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.exists():
        return None
    try:
        table = pq.read_table(path)
        made_from = json.loads((table.schema.metadata or {})[METADATA])
        if any_arithmetic:
            there = made_from.get("arithmetic")
            if there not in (None, origin.arithmetic):
                told = "reference log-probs in %s are of %s, and the run goes on in %s"
                logger.warning(told, path, there, origin.arithmetic)
            origin = replace(origin, arithmetic=there or PLAIN)
        reason = origin.difference(made_from)
        if reason is None and table["id"].to_pylist() == [pair.id for pair in pairs]:
            return [list(row) for row in zip(*(table[c].to_pylist() for c in SIDES), strict=True)]
        reason = reason or "its rows are not these pairs"
    except (pa.ArrowException, KeyError, ValueError, OSError) as error:
        reason = f"it cannot be read ({error})"
    logger.warning("reference log-probs in %s are computed again: %s", path, reason)
    return None


SIDES = ("chosen", "rejected")


def _write(path: Path, origin: Origin, pairs: Sequence[TokenizedPair], values: list[list[float]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {"id": [pair.id for pair in pairs]}
    columns |= {side: [row[i] for row in values] for i, side in enumerate(SIDES)}
    metadata = {METADATA: json.dumps(vars(origin))}
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        pq.write_table(pa.table(columns).replace_schema_metadata(metadata), temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
