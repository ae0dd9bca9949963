"""Noise as a data transform: per pair, seeded, nested across rates, recorded, never redrawn."""

from gammapo.noise.apply import Corrupted, compose, corrupt
from gammapo.noise.guards import refuse_corrupted, refuse_held_out
from gammapo.noise.manifest import (
    Change,
    Manifest,
    Step,
    manifest_of,
    manifest_path,
    read_manifest,
    write_manifest,
)
from gammapo.noise.spec import Candidate, Draw, NoiseKind, get, names

__all__ = [
    "Candidate",
    "Change",
    "Corrupted",
    "Draw",
    "Manifest",
    "NoiseKind",
    "Step",
    "compose",
    "corrupt",
    "get",
    "manifest_of",
    "manifest_path",
    "names",
    "read_manifest",
    "refuse_corrupted",
    "refuse_held_out",
    "write_manifest",
]
