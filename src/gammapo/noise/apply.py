"""Noise applied: pairs in, pairs and manifest out. A pure function of pairs, steps and seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gammapo.errors import InputError
from gammapo.noise.manifest import Change, Manifest, Step
from gammapo.noise.spec import Candidate, Draw, NoiseKind, check_options, get
from gammapo.types import PreferencePair


@dataclass(frozen=True, kw_only=True)
class Corrupted:
    """The pairs in their old order, some of them changed, and the record of which and why."""

    pairs: list[PreferencePair]
    manifest: Manifest


def corrupt(
    pairs: Sequence[PreferencePair], kind: str, *, rate: float, seed: int, **options: Any
) -> Corrupted:
    """Change exactly round(rate · n) of the pairs by one kind of noise.

    Args:
        pairs: with unique ids, as `data.load_pairs` gives them.
        kind: a name of `noise.names()`, or `module:attribute` of your own.
        rate: share of pairs to change, in [0, 1].
        seed: any whole number; the same seed changes the same pairs, and nested ones at other rates.
        options: the kind's own.

    Raises:
        InputError: unknown kind or option, a rate that cannot be reached, scores that are needed and absent.
    """
    return compose(pairs, [Step(kind=kind, rate=rate, seed=seed, options=options)])


def compose(pairs: Sequence[PreferencePair], steps: Sequence[Step]) -> Corrupted:
    """Several kinds one after another. No pair is changed twice, so that the rates add up."""
    if not steps:
        raise InputError("no noise given", field="noise", expected="at least one kind with its rate")
    current = {pair.id: pair for pair in pairs}
    if len(current) != len(pairs):
        raise InputError(
            f"{len(pairs) - len(current)} pairs repeat an id", expected="unique ids, as load_pairs gives them"
        )
    changed: dict[str, Change] = {}
    for step in steps:
        kind = get(step.kind)
        check_options(kind, dict(step.options))
        for candidate in _picked(list(current.values()), kind, step, changed):
            name = candidate.result.id
            what = "flip" if candidate.result == current[name].flipped() else kind.change
            changed[name] = Change(kind=step.kind, change=what, why=candidate.why)
            current[name] = candidate.result
    in_order = {pair.id: changed[pair.id] for pair in pairs if pair.id in changed}
    return Corrupted(
        pairs=list(current.values()),
        manifest=Manifest(steps=tuple(steps), pairs=len(pairs), changed=in_order),
    )


def _picked(
    pairs: list[PreferencePair], kind: NoiseKind, step: Step, changed: dict[str, Change]
) -> list[Candidate]:
    if isinstance(step.rate, bool) or not isinstance(step.rate, int | float) or not 0 <= step.rate <= 1:
        raise InputError(f"is {step.rate!r}", field="rate", expected="a share in [0, 1]")
    if isinstance(step.seed, bool) or not isinstance(step.seed, int):
        raise InputError(f"is {step.seed!r}", field="seed", expected="a whole number")
    wanted = round(step.rate * len(pairs))
    known = {pair.id for pair in pairs}
    candidates: dict[str, Candidate] = {}
    for one in kind.candidates(pairs, Draw(step.seed, kind.name), **step.options):
        if one.result.id not in known or one.result.id in candidates:
            raise InputError(
                f"noise {kind.name!r} gave the id {one.result.id!r}, which is not in the pairs or came twice",
                expected="each pair at most once, under its own id",
            )
        if one.result.id not in changed:
            candidates[one.result.id] = one
    if wanted > len(candidates):
        raise InputError(
            f"noise {kind.name!r} can change {len(candidates)} of the {len(pairs)} pairs, "
            f"and rate {step.rate:g} asks for {wanted}",
            field="rate",
            expected=f"at most {int(1e4 * len(candidates) / max(len(pairs), 1)) / 1e4:g}",
        )
    return sorted(candidates.values(), key=lambda one: (one.order, one.result.id))[:wanted]
