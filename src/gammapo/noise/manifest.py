"""The record of what noise changed: beside every corrupted file as `*.noise.json`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gammapo import files
from gammapo.errors import InputError

FORMAT = "gammapo-noise/1"


@dataclass(frozen=True, kw_only=True)
class Step:
    """One noise kind at one rate. `rate` is a share of all pairs, in [0, 1]."""

    kind: str
    rate: float
    seed: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Change:
    """What befell one pair: by which kind, what ("flip", "truncate", …) and why this pair."""

    kind: str
    change: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """Everything needed to make the same corrupted file again, and exactly which pairs were changed.

    `changed` maps pair ids to changes, in the file's order. `source` and `source_sha256` name the clean data
    (see `data.source_sha256`).
    """

    steps: tuple[Step, ...]
    pairs: int
    changed: Mapping[str, Change]
    source: str = ""
    source_sha256: str = ""

    @property
    def kind(self) -> str:
        return "+".join(step.kind for step in self.steps)

    @property
    def rate(self) -> float:
        """The share of pairs changed in fact."""
        return len(self.changed) / self.pairs if self.pairs else 0.0

    @property
    def flipped(self) -> frozenset[str]:
        """Ids of the pairs whose label was turned; wrong now if it was right before."""
        return frozenset(name for name, change in self.changed.items() if change.change == "flip")

    @property
    def fingerprint(self) -> str:
        """Sixteen hex digits: the mark that the corrupted file carries in its column `gammapo_noise`."""
        text = json.dumps(self._as_dict(), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]

    def as_dict(self) -> dict[str, Any]:
        return {"format": FORMAT, "fingerprint": self.fingerprint, **self._as_dict()}

    def _as_dict(self) -> dict[str, Any]:
        single = self.steps[0] if len(self.steps) == 1 else None
        return {
            "kind": self.kind,
            "rate": single.rate if single else self.rate,
            "seed": single.seed if single else None,
            "options": dict(single.options) if single else {},
            "source": self.source,
            "source_sha256": self.source_sha256,
            "pairs": self.pairs,
            "steps": [
                {"kind": step.kind, "rate": step.rate, "seed": step.seed, "options": dict(step.options)}
                for step in self.steps
            ],
            "changed": {
                name: {"kind": one.kind, "change": one.change, "why": one.why}
                for name, one in self.changed.items()
            },
        }


def manifest_path(pairs_file: str | Path) -> Path:
    """Where the manifest of a pair file lies: noisy.jsonl → noisy.noise.json."""
    path = Path(pairs_file)
    path = path if path.name else path.resolve()  # "." has no name
    stem = path.name.removesuffix(".gz")
    for suffix in (".jsonl", ".json", ".parquet"):
        stem = stem.removesuffix(suffix)
    return path.parent / f"{stem}.noise.json"


def manifest_of(pairs_file: str | Path, marker: str | None, sha256: str | None = None) -> Manifest | None:
    """The manifest beside a pair file that tells of its labels, None where there is none.

    Files of one stem (pairs.jsonl.gz and pairs.jsonl) have one place for it, so what lies there counts
    only if the rows carry its mark (`marker`). It is passed over beside the clean data that it was made from.

    Args:
        sha256: as `data.source_sha256` has it; needed of what is no single file of pairs.

    Raises:
        InputError: the one that lies there tells of another file, or is none.
    """
    path = manifest_path(pairs_file)
    if not path.is_file():
        return None
    manifest = read_manifest(path)
    if marker == manifest.fingerprint:
        return manifest
    if marker is None and made_from(manifest, pairs_file, sha256):
        return None
    name, mark = Path(pairs_file).name, marker or "none"
    raise InputError(
        f"tells of labels with the mark {manifest.fingerprint}, and the rows of {name} carry {mark}",
        file=path,
        fix="put the manifest that was written with these pairs there, or move this one away; "
        "`gammapo corrupt` marks what it writes, in the column gammapo_noise",
    )


def made_from(manifest: Manifest, clean_file: str | Path, sha256: str | None = None) -> bool:
    """Whether this very file, or data of this `sha256`, is what was corrupted."""
    if sha256 is None and Path(clean_file).is_file():
        sha256 = files.sha256(clean_file)
    return sha256 is not None and manifest.source_sha256 == sha256


def write_manifest(path: str | Path, manifest: Manifest, *, overwrite: bool = False) -> Path:
    """Write a manifest as JSON.

    Raises:
        InputError: the file exists and `overwrite` is False.
    """
    return files.write_json(path, manifest.as_dict(), overwrite=overwrite)


def read_manifest(path: str | Path) -> Manifest:
    """Read a manifest.

    Raises:
        InputError: not there, or no noise manifest.
    """
    value = files.read_json(path)
    try:
        if value["format"] != FORMAT:
            raise ValueError(f"format {value['format']!r}")
        manifest = Manifest(
            steps=tuple(Step(**step) for step in value["steps"]),
            pairs=value["pairs"],
            changed={name: Change(**change) for name, change in value["changed"].items()},
            source=value["source"],
            source_sha256=value["source_sha256"],
        )
        fingerprint = manifest.fingerprint  # here, since a value of the wrong type fails only now
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"is no noise manifest: {error}", file=path, expected=f"a JSON object of format {FORMAT!r}"
        ) from error
    if fingerprint != value.get("fingerprint"):
        raise InputError(
            "has been changed since it was written",
            file=path,
            field="fingerprint",
            fix="make the noisy file again with `gammapo corrupt`",
        )
    return manifest
