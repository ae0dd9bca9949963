"""Several sources as one: a YAML file, or a list of sources from Python.

```yaml
sources:
  - {path: ours.jsonl, weight: 2}
  - {path: HuggingFaceH4/ultrafeedback_binarized, split: train_prefs, weight: 1}
pairs: 30000     # optional: how many in all
seed: 0
```
Weights are shares of the result. No pair is repeated: without `pairs` the mixture is as large as the shares
allow. Without weights every pair of every source is taken. Which pairs are taken depends on their ids and
the seed, so a smaller mixture is part of a larger one. A source is no mixture itself.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from gammapo import files
from gammapo.data.ids import RepeatNumbers, fingerprint
from gammapo.data.load import LoadedPairs, LoadReport, OnBad, load_source
from gammapo.data.place import HUB_ID, place_of
from gammapo.errors import InputError, nearest
from gammapo.types import PreferencePair


@dataclass(frozen=True, kw_only=True)
class Source:
    """One source of a mixture. `weight` is its share against the others' (no unit); None takes it whole."""

    path: str
    split: str | None = None
    weight: float | None = None


def mix_pairs(
    sources: Sequence[Source], *, pairs: int | None = None, seed: int = 0, on_bad: OnBad = "raise"
) -> LoadedPairs:
    """Load and mix several sources.

    Raises:
        InputError: a source cannot be used, weights are missing, or `pairs` asks for more than there are.
    """
    shares = _shares(sources)
    for index, one in enumerate(sources):
        _refuse_mixture(one.path, field=f"sources[{index}].path")
    loaded = [load_source(one.path, split=one.split, on_bad=on_bad) for one in sources]
    counts = [len(one.pairs) for one in loaded]
    wanted = _wanted(counts, shares, pairs)
    chosen: list[tuple[float, PreferencePair]] = []
    for source, one, count in zip(sources, loaded, wanted, strict=True):
        ranked = sorted((_draw(seed, source.path, pair.id), index) for index, pair in enumerate(one.pairs))
        chosen += [(order, one.pairs[index]) for order, index in ranked[:count]]
    chosen.sort(key=lambda item: (item[0], item[1].id))
    repeats = RepeatNumbers()
    mixed = [replace(pair, id=repeats.unique(pair.id)) for _, pair in chosen]
    return LoadedPairs(pairs=mixed, report=_report(sources, [one.report for one in loaded], mixed))


def is_mixture(path: str | Path) -> bool:
    """Whether `path` is a YAML file that names several sources."""
    return Path(path).suffix.lower() in (".yaml", ".yml") and Path(path).is_file()


def load_mixture(path: str | Path, *, on_bad: OnBad = "raise") -> LoadedPairs:
    """Load the mixture that a YAML file describes. Its files lie in its own folder or below, or are hub ids.

    Raises:
        InputError: not such a file, or a path that leads out of its folder.
    """
    path = Path(path)
    value = _read(path)
    sources = [_source(one, path, f"sources[{index}]") for index, one in enumerate(value["sources"])]
    try:
        mixed = mix_pairs(sources, pairs=value.get("pairs"), seed=value.get("seed") or 0, on_bad=on_bad)
    except InputError as error:
        raise error.inside(path) from error
    mixed.report.source = str(path)
    return mixed


def sources_of(path: str | Path, split: str | None = None) -> list[Source]:
    """What is read for `path`: the sources that a mixture lists, or else `path` itself with its split.

    Raises:
        InputError: as `load_mixture`.
    """
    if not is_mixture(path):
        return [Source(path=str(path), split=split)]
    path = Path(path)
    return [_source(one, path, f"sources[{index}]") for index, one in enumerate(_read(path)["sources"])]


def inputs_of(path: str | Path) -> list[str]:
    """`path` and every file or folder that its pairs are read from: what no output may replace."""
    return [place_of(one).path for one in (path, *(source.path for source in sources_of(path)))]


def source_sha256(path: str | Path, pairs_fingerprint: str) -> str:
    """Names the data of a source, so that an edit is noticed wherever it falls.

    Of a file it is the SHA-256; of a folder or a hub id the fingerprint of its pairs; of a mixture the
    SHA-256 over those of its files, in order, and the fingerprint of its pairs, each on a line of its own.

    Args:
        pairs_fingerprint: of the pairs that were loaded from it, as `LoadReport.fingerprint`.
    """
    if not is_mixture(path):
        return files.sha256(path) if Path(path).is_file() else pairs_fingerprint
    parts = [files.sha256(one.path) for one in sources_of(path) if Path(one.path).is_file()]
    lines = "".join(f"{part}\n" for part in [*parts, pairs_fingerprint])
    return hashlib.sha256(lines.encode()).hexdigest()


def _read(path: Path) -> dict[str, Any]:
    value = files.read_yaml(path)
    if not isinstance(value, dict) or not isinstance(value.get("sources"), list) or not value["sources"]:
        raise InputError("names no sources", file=path, field="sources", expected="a list of {path, weight}")
    _known(value, ["sources", "pairs", "seed"], path, "")
    for name in ("pairs", "seed"):
        if value.get(name) is not None and type(value[name]) is not int:
            raise InputError(f"is {value[name]!r}", file=path, field=name, expected="a whole number")
    return value


def _source(value: Any, file: Path, field: str) -> Source:
    if isinstance(value, str):
        value = {"path": value}
    if not isinstance(value, dict) or not isinstance(value.get("path"), str):
        raise InputError("names no path", file=file, field=field, expected="{path: …, split: …, weight: …}")
    _known(value, [one.name for one in fields(Source)], file, field + ".")
    if not isinstance(value.get("split"), str | None):
        raise InputError(
            f"is {value['split']!r}",
            file=file,
            field=f"{field}.split",
            expected="the name of a split, as text",
        )
    given = value["path"]
    inside = Path(place_of(file.parent / given).path).resolve()
    if not inside.exists() and HUB_ID.fullmatch(place_of(given).path):
        return Source(**value)
    if not inside.is_relative_to(file.parent.resolve()):
        raise InputError(
            f"the path {given!r} leads out of the folder of this file",
            file=file,
            field=f"{field}.path",
            expected="a path inside it, or a hub id",
            fix="move the file there, or mix from Python with data.mix_pairs",
        )
    _refuse_mixture(inside, file=file, field=f"{field}.path")
    return Source(**{**value, "path": str(file.parent / given)})


def _refuse_mixture(path: str | Path, *, field: str, file: Path | None = None) -> None:
    """A mixture of mixtures would hide the shares, and one could hold itself."""
    if is_mixture(path):
        raise InputError(
            f"{path} is itself a mixture",
            file=file,
            field=field,
            expected="a file of pairs, a folder or a hub id",
            fix="name that mixture's own sources here",
        )


def _known(value: dict, names: list[str], file: Path, prefix: str) -> None:
    for key in value:
        if key not in names:
            raise InputError(
                f"unknown key {key!r}", file=file, field=f"{prefix}{key}", expected=nearest(str(key), names)
            )


def _shares(sources: Sequence[Source]) -> list[float] | None:
    weights = [one.weight for one in sources]
    if not sources:
        raise InputError("no sources", field="sources", expected="at least one")
    if all(weight is None for weight in weights):
        return None
    numbers = [_weight(weight, f"sources[{index}].weight") for index, weight in enumerate(weights)]
    return [number / math.fsum(numbers) for number in numbers]


def _weight(value: Any, field: str) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf:
        return float(value)
    raise InputError(f"is {value!r}", field=field, expected="a number above 0 for every source, or for none")


def _wanted(counts: list[int], shares: list[float] | None, pairs: int | None) -> list[int]:
    """How many pairs of each source: the shares of the total by largest remainder."""
    if shares is None:
        shares = [count / sum(counts) for count in counts]
    most = min(count / share for count, share in zip(counts, shares, strict=True))
    total = math.floor(most + 1e-9) if pairs is None else pairs
    if not 0 < total <= most + 1e-9:
        limit = "at least 1" if total < 1 else f"at most {math.floor(most + 1e-9)} at these weights"
        raise InputError(f"is {total}", field="pairs", expected=limit)
    whole = [math.floor(total * share + 1e-9) for share in shares]
    remainders = sorted(range(len(shares)), key=lambda k: (whole[k] - total * shares[k], k))
    for k in remainders[: total - sum(whole)]:
        whole[k] += 1
    return [min(number, count) for number, count in zip(whole, counts, strict=True)]


def _draw(seed: int, path: str, name: str) -> float:
    digest = hashlib.blake2b(f"{seed}\0{Path(path).name}\0{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def _report(
    sources: Sequence[Source], reports: Sequence[LoadReport], mixed: Sequence[PreferencePair]
) -> LoadReport:
    return LoadReport(
        source=" + ".join(one.path for one in sources),
        shape=" + ".join(dict.fromkeys(one.shape for one in reports)),
        rows=sum(one.rows for one in reports),
        pairs=len(mixed),
        dropped=[drop for one in reports for drop in one.dropped],
        columns=tuple(dict.fromkeys(name for one in reports for name in one.columns)),
        noise_marker=next((one.noise_marker for one in reports if one.noise_marker), None),
        fingerprint=fingerprint(mixed),
    )
