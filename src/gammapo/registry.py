"""The only place that knows names. A name becomes an object when it is first asked for, not at import.

A component is found, in this order, as
1. a name in the tables below,
2. an entry point in the group `gammapo.<kind>` of an installed package,
3. `module:attribute`, a user's own object.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any

from gammapo.errors import GammapoError, InputError, nearest

LOSSES = {
    "dpo": "gammapo.losses.dpo:SPEC",
    "ipo": "gammapo.losses.ipo:SPEC",
    "hinge": "gammapo.losses.hinge:SPEC",
    "anchored_simpo": "gammapo.losses.anchored_simpo:SPEC",
    "length_dpo": "gammapo.losses.length_dpo:SPEC",
    "kto_pair": "gammapo.losses.kto_pair:SPEC",
    "sppo_hard": "gammapo.losses.sppo_hard:SPEC",
    "exo_pair": "gammapo.losses.exo_pair:SPEC",
    "nca_pair": "gammapo.losses.nca_pair:SPEC",
    "apo_zero": "gammapo.losses.apo_zero:SPEC",
    "apo_down": "gammapo.losses.apo_down:SPEC",
    "bco_pair": "gammapo.losses.bco_pair:SPEC",
    "simpo": "gammapo.losses.simpo:SPEC",
    "alphapo": "gammapo.losses.alphapo:SPEC",
    "slic": "gammapo.losses.slic:SPEC",
    "orpo": "gammapo.losses.orpo:SPEC",
    "cpo": "gammapo.losses.cpo:SPEC",
    "gamma_simpo": "gammapo.losses.gamma_simpo:SPEC",
    "gamma_dpo": "gammapo.losses.gamma_dpo:SPEC",
    "margin_simpo": "gammapo.losses.margin_simpo:SPEC",
    "alpha_dpo": "gammapo.losses.alpha_dpo:SPEC",
    "amapo": "gammapo.losses.amapo:SPEC",
    "odpo": "gammapo.losses.odpo:SPEC",
    "beta_dpo": "gammapo.losses.beta_dpo:SPEC",
    "wpo": "gammapo.losses.wpo:SPEC",
    "kldpo": "gammapo.losses.kldpo:SPEC",
    "cdpo": "gammapo.losses.cdpo:SPEC",
    "rdpo": "gammapo.losses.rdpo:SPEC",
    "dr_dpo": "gammapo.losses.dr_dpo:SPEC",
    "ropo": "gammapo.losses.ropo:SPEC",
    "holder_dpo": "gammapo.losses.holder_dpo:SPEC",
    "mmpo": "gammapo.losses.mmpo:SPEC",
    "dpo_pro": "gammapo.losses.dpo_pro:SPEC",
    "re_dpo": "gammapo.losses.re_dpo:SPEC",
    "re_simpo": "gammapo.losses.re_simpo:SPEC",
    "plc_dpo": "gammapo.losses.plc_dpo:SPEC",
    "gammapo": "gammapo.losses.gammapo:SPEC",
}

MARGINS = {
    "fixed": "gammapo.margins.fixed:SPEC",
    "kl_optimal": "gammapo.margins.kl_optimal:SPEC",
    "score_gap": "gammapo.margins.score_gap:SPEC",
    "posterior": "gammapo.margins.posterior:SPEC",
}

NOISE = {
    "symmetric": "gammapo.noise.symmetric:SPEC",
    "ambiguous": "gammapo.noise.ambiguous:SPEC",
    "confident": "gammapo.noise.confident:SPEC",
    "hard_pair": "gammapo.noise.hard_pair:SPEC",
    "length_biased": "gammapo.noise.length_biased:SPEC",
    "annotator_mix": "gammapo.noise.annotator_mix:SPEC",
    "ties": "gammapo.noise.ties:SPEC",
    "truncate": "gammapo.noise.truncate:SPEC",
    "swap_prompt": "gammapo.noise.swap_prompt:SPEC",
}

GENERATORS: dict[str, str] = {
    "transformers": "gammapo.generation.transformers_backend:TransformersBackend",
    "vllm": "gammapo.generation.vllm_backend:VllmBackend",
    "server": "gammapo.generation.server_backend:ServerBackend",
}

JUDGES: dict[str, str] = {
    "rules": "gammapo.judging.rules:RuleScorer",
    "reward": "gammapo.judging.reward:RewardScorer",
    "openai": "gammapo.judging.chat:ChatJudge",
    "annotations": "gammapo.judging.annotated:AnnotatedJudge",
    "world": "gammapo.benchmark.worlds.scorers:create_scorer",
}

WORLDS: dict[str, str] = {
    "tiny": "gammapo.benchmark.worlds.tiny:TinyWorld",
    "softmax": "gammapo.benchmark.worlds.softmax:SoftmaxWorld",
    "smollm2": "gammapo.benchmark.worlds.smollm2:SmolLM2World",
}

TABLES: dict[str, dict[str, str]] = {
    "loss": LOSSES,
    "margin": MARGINS,
    "noise": NOISE,
    "generator": GENERATORS,
    "judge": JUDGES,
    "world": WORLDS,
}


def names(kind: str) -> list[str]:
    """All known names of a kind, the built-in ones first, in the order of their table."""
    table = TABLES[kind]
    return [*table, *(name for name in _plugins(kind) if name not in table)]


def resolve(kind: str, name: str) -> Any:
    """The object that `name` stands for.

    Raises:
        InputError: no such name, or a module that cannot be imported.
    """
    table = TABLES[kind]
    if name in table:
        return _load(kind, table[name])
    plugins = _plugins(kind)
    if name in plugins:
        return _others(kind, name, plugins[name].load)
    if ":" in name:
        return _others(kind, name, lambda: _load(kind, name))
    raise InputError(
        f"unknown {kind} {name!r}",
        field=kind,
        expected=nearest(name, names(kind)),
        fix=f"take a listed name, or give your own as 'module:attribute' (entry points: gammapo.{kind})",
    )


def _plugins(kind: str) -> dict[str, Any]:
    return {point.name: point for point in entry_points(group=f"gammapo.{kind}")}


def _load(kind: str, target: str) -> Any:
    module, _, attribute = target.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise _unloadable(kind, target, str(error)) from error


def _others(kind: str, name: str, load: Callable[[], Any]) -> Any:
    """What `load` gives. A module that is not ours may raise anything when it is imported, or end itself."""
    try:
        return load()
    except GammapoError:
        raise
    except (Exception, SystemExit) as error:
        first_line = str(error).partition("\n")[0]
        raise _unloadable(kind, name, f"{type(error).__name__}: {first_line}") from error


def _unloadable(kind: str, target: str, reason: str) -> InputError:
    return InputError(
        f"cannot load {target!r}: {reason}",
        field=kind,
        expected="module:attribute of an importable module",
        fix="check the spelling, that the module is on PYTHONPATH, and that Python can import it",
    )
