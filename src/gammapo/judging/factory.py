"""How a SPEC string becomes a judge or a scorer."""

from __future__ import annotations

import inspect
from typing import Any

from gammapo import registry
from gammapo.errors import GammapoError, InputError, nearest
from gammapo.judging.scorers import FunctionScorer, OwnJudge, ScorerJudge
from gammapo.judging.spec import Judge, Scorer


def create(spec: str, **options: Any) -> Judge:
    """The judge that a SPEC string names; a scorer becomes a judge by comparing its scores.

    Args:
        spec: `rules:FILE`, `reward:PATH`, `openai:MODEL@URL`, `annotations:FILE`, or `module:attribute`,
            which may be a scorer, a judge, a class of either, or a function `score(prompts, answers)`.
        options: of that kind of judge.

    Raises:
        InputError: an unknown kind or option, or an object that neither scores nor judges.
    """
    made = _make(spec, options)
    return made if isinstance(made, Judge) else ScorerJudge(made, name=spec)


def create_scorer(spec: str, **options: Any) -> Scorer:
    """The scorer that a SPEC string names.

    Raises:
        InputError: as for `create`; also for a judge that only compares.
    """
    made = _make(spec, options)
    if isinstance(made, Scorer):
        return made
    raise InputError(
        f"{spec!r} compares answers and scores none",
        field="scorer",
        expected="rules:FILE, reward:PATH or module:attribute",
    )


def kinds() -> list[str]:
    """All kinds of SPEC that have a name."""
    return registry.names("judge")


def _make(spec: str, options: dict[str, Any]) -> Scorer | Judge:
    kind, colon, rest = spec.partition(":")
    if not (kind and colon and rest):
        forms = "rules:FILE, reward:PATH, openai:MODEL@URL, annotations:FILE or module:attribute"
        raise InputError(f"got {spec!r}", field="judge", expected=forms)
    if kind not in kinds():
        return _own(spec, options)
    factory = registry.resolve("judge", kind)
    known = list(inspect.signature(factory).parameters)[1:]
    for key in options:
        if key not in known:
            expected = nearest(key, known) if known else "no options"
            raise InputError(f"the judge {kind!r} has no option {key!r}", field=key, expected=expected)
    return factory(rest, **options)


def _made_of(kind: Any, spec: str, options: dict[str, Any]) -> Any:
    try:
        return kind(**options)
    except GammapoError:
        raise
    except Exception as error:
        raise InputError(
            f"{spec!r} cannot be made: {type(error).__name__}: {error}",
            field="judge",
            expected="a class that is made of its options alone",
            fix="give each of its arguments a default, or name an object of it",
        ) from error


def _own(spec: str, options: dict[str, Any]) -> Scorer | Judge:
    """A user's own object, made if it is a class, wrapped if it is a function."""
    found = registry.resolve("judge", spec)
    if inspect.isclass(found):
        found = _made_of(found, spec, options)
    elif options:
        raise InputError(
            f"{spec!r} is no class and so takes no options",
            field=next(iter(options)),
            fix="drop the options, or name a class that takes them",
        )
    if hasattr(found, "estimate") or (isinstance(found, Scorer) and isinstance(found, Judge)):
        return found  # a chat judge of the user's, which tells its cost; or one that is asked for either
    if isinstance(found, Scorer):
        return FunctionScorer(found.score, name=spec, owner=found)
    if isinstance(found, Judge):
        return OwnJudge(found, name=spec)
    if callable(found):
        return FunctionScorer(found, name=spec)
    raise InputError(
        f"{spec!r} is {type(found).__name__}",
        field="judge",
        expected="an object with score(prompts, answers) or judge(comparisons), or a scoring function",
    )
