"""Other trainers' objectives as losses of ours, one declaration each: what is read of their keys.

A reader takes their config and gives options of ours; what a user should know of the difference it adds to
`said`. Sources are those of configs.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gammapo.errors import InputError

Config = dict[str, Any]
Reader = Callable[[Config, list[str]], Config]


@dataclass(frozen=True)
class Objective:
    """A loss of theirs: its name here, and what is read of the config."""

    name: str
    readers: tuple[Reader, ...]


def loss_section(theirs: Config, kind: str, path: str | Path, said: list[str]) -> Config:
    """The recipe's loss section of a config of that kind; differences are added to `said`.

    Raises:
        InputError: an objective that we do not have.
    """
    which = _table(theirs, kind)
    table, default = TABLES[which]
    name = theirs.get("loss_type", default)
    if which.startswith("trl dpo") and "loss_type" not in theirs:
        said.append(
            f"no loss_type: read as DPOTrainer's default, {default}; for ORPOTrainer's config say --kind orpo"
        )
    if isinstance(name, list):
        if len(name) != 1:
            raise _no_such(name, path, ["one loss"])
        (name,) = name
    if kind == "gammapo" and theirs.get("trainer_type", "simpo") != "simpo":
        name = f"{name}, with trainer_type {theirs['trainer_type']}"
    if not isinstance(name, str) or name not in table:
        raise _no_such(name, path, list(table))
    found = table[name]
    loss: Config = {"name": found.name}
    for read in found.readers:
        loss |= read(theirs, said)
    return loss


def _table(theirs: Config, kind: str) -> str:
    if kind != "trl":
        return kind
    cpo = {"cpo_alpha", "simpo_gamma"} & theirs.keys() or theirs.get("loss_type") in ("simpo", "alphapo")
    if cpo:
        return "trl cpo"
    return "trl dpo, smoothed" if theirs.get("label_smoothing") else "trl dpo"


def _no_such(name: Any, path: str | Path, known: list[str]) -> InputError:
    return InputError(
        f"loss_type {name!r} cannot be imported",
        file=path,
        field="loss_type",
        expected=", ".join(known),
        fix="write the recipe by hand; `gammapo losses` lists what there is",
    )


# ---- readers of several sources ----


def _key(theirs_name: str, default: float, ours: str) -> Reader:
    """Their key as an option of ours, their default written out."""
    return lambda theirs, said: {ours: theirs.get(theirs_name, default)}


def _if_set(theirs_name: str, ours: str) -> Reader:
    """Their key as an option of ours; zero and unset are our own default."""
    return lambda theirs, said: {ours: theirs[theirs_name]} if theirs.get(theirs_name) else {}


def _smoothing_is_idle(theirs: Config, said: list[str]) -> Config:
    if smoothing := theirs.get("label_smoothing"):
        said.append(f"label_smoothing={smoothing} is ignored by their trainer with this loss, and left out")
    return {}


# ---- SimPO and γ-PO ----


def _margin(theirs: Config, said: list[str]) -> Config:
    """γ as the source means it: SimPO's first version had it absolute, later ones as a share of β."""
    beta = theirs.get("beta", 2.0)
    if "gamma_beta_ratio" in theirs:
        ratio = theirs["gamma_beta_ratio"]
        said.append(f"gamma_beta_ratio={ratio} is γ/β in both: γ = {ratio * beta:g} absolute")
        return {"gamma_beta_ratio": ratio}
    if "gamma" in theirs:
        gamma = theirs["gamma"]
        said.append(
            f"gamma={gamma} is absolute (SimPO's first version), a ratio γ/β of {gamma / beta:g}; kept"
        )
        return {"gamma": gamma}
    said.append("no margin is given: their default γ/β is 0.25")
    return {"gamma_beta_ratio": 0.25}


def _sft_weight(theirs: Config, said: list[str]) -> Config:
    weight = theirs.get("sft_weight")
    if not weight:
        return {}
    said.append(
        f"sft_weight={weight}: theirs averages over all the micro-batch's answer tokens, so long answers "
        "weigh more; here each answer's own mean counts once"
    )
    return {"alpha": weight}


def _smoothing_about_zero(theirs: Config, said: list[str]) -> Config:
    if not theirs.get("label_smoothing"):
        return {}
    said.append(
        "label smoothing: theirs takes γ off both ways, −(1−ε)log σ(r−γ) − ε log σ(−r−γ); "
        "here the smoothed label's term is log σ(−(r−γ))"
    )
    return {"epsilon": theirs["label_smoothing"]}


def _tau(theirs: Config, said: list[str]) -> Config:
    said.append(
        "margins: solved exactly here, over the whole step of all GPUs and the latest gaps before it; "
        "theirs take 20 mirror-descent steps over one GPU's micro-batch and gaps drawn at random from "
        "its own queue, which starts with random numbers"
    )
    return {"tau": theirs.get("tau", 1.0)}


def _ratio_is_cloning(theirs: Config, said: list[str]) -> Config:
    ratio = theirs.get("gamma_beta_ratio", 0.25)
    said.append(
        f"cpo: gamma_beta_ratio={ratio} is the weight of cloning there (alpha here), and their gap is a "
        "mean per token; CPO's, and ours, is the sum"
    )
    return {"alpha": ratio}


def _ratio_is_lambda(theirs: Config, said: list[str]) -> Config:
    ratio = theirs.get("gamma_beta_ratio", 0.25)
    said.append(f"orpo: gamma_beta_ratio={ratio} is ORPO's λ there (lam here)")
    return {"lam": ratio}


# ---- TRL ----


def _cloning(theirs: Config, said: list[str]) -> Config:
    weight = theirs.get("cpo_alpha", 1.0)
    if weight:
        origin = "set to" if "cpo_alpha" in theirs else "not set, and its default is"
        said.append(
            f"hidden NLL term: cpo_alpha is {origin} {weight:g}, so TRL adds {weight:g} × the NLL of the "
            "chosen answer. It is kept, as alpha; remove alpha for the loss as published. TRL averages it "
            "over the micro-batch's answer tokens, here each answer's own mean counts once"
        )
    return {"alpha": weight}


def _cloning_if_any(theirs: Config, said: list[str]) -> Config:
    found = _cloning(theirs, said)
    return found if found["alpha"] else {}


def _absolute_gamma(theirs: Config, said: list[str]) -> Config:
    beta, gamma = theirs.get("beta", 0.1), theirs.get("simpo_gamma", 0.5)
    said.append(
        f"simpo_gamma={gamma} is absolute in TRL, a ratio γ/β of {gamma / beta:g} at β={beta}; kept absolute"
    )
    if beta < 1:
        said.append(f"beta={beta} is DPO's size; SimPO's authors use 2 to 10")
    return {"gamma": gamma}


def _beta_is_lambda(theirs: Config, said: list[str]) -> Config:
    weight = theirs.get("beta", 0.1)
    said.append(
        f"orpo: beta={weight} is ORPO's λ there (lam here). TRL's NLL term is the mean over all tokens of "
        "the micro-batch's prompts and chosen answers; here each answer's own mean counts once, its prompt "
        "left out"
    )
    return {"lam": weight}


def _smoothing_is_meant(theirs: Config, said: list[str]) -> Config:
    said.append("label_smoothing with loss_type sigmoid is ignored by TRL 1.16's DPOTrainer; read as cDPO")
    return {"epsilon": theirs["label_smoothing"]}


# ---- the declarations ----

_SIMPO_BETA, _TRL_BETA = _key("beta", 2.0, "beta"), _key("beta", 0.1, "beta")
_EPSILON = _if_set("label_smoothing", "epsilon")
# at β unset TRL's 0.1 is far from the paper's 1e-3, which is our default
_SPPO_BETA = _if_set("beta", "beta")

_DPO = {
    "sigmoid": Objective("dpo", (_TRL_BETA,)),
    "robust": Objective("rdpo", (_TRL_BETA, _EPSILON)),
    "exo_pair": Objective("exo_pair", (_TRL_BETA, _EPSILON)),
    "sppo_hard": Objective("sppo_hard", (_SPPO_BETA, _smoothing_is_idle)),
    **{
        name: Objective(name, (_TRL_BETA, _smoothing_is_idle))
        for name in ("ipo", "hinge", "nca_pair", "bco_pair", "apo_zero", "apo_down")
    },
}

# whose config → (their loss_type → the objective, their default)
TABLES: dict[str, tuple[dict[str, Objective], str]] = {
    "simpo": ({"sigmoid": Objective("simpo", (_SIMPO_BETA, _margin, _EPSILON, _sft_weight))}, "sigmoid"),
    "gammapo": (
        {
            "gm-simpo": Objective(
                "gamma_simpo", (_SIMPO_BETA, _margin, _tau, _smoothing_is_idle, _sft_weight)
            ),
            "simpo": Objective("simpo", (_SIMPO_BETA, _margin, _smoothing_about_zero, _sft_weight)),
            "cpo": Objective("cpo", (_SIMPO_BETA, _ratio_is_cloning)),
            "orpo": Objective("orpo", (_ratio_is_lambda,)),
        },
        "dpo",  # which is none of these: say what there is
    ),
    "trl cpo": (
        {
            "sigmoid": Objective("cpo", (_TRL_BETA, _cloning)),
            "simpo": Objective("simpo", (_TRL_BETA, _absolute_gamma, _EPSILON, _cloning_if_any)),
            "alphapo": Objective("alphapo", (_TRL_BETA, _absolute_gamma, _key("alpha", 0.0, "alpha"))),
        },
        "sigmoid",
    ),
    "orpo": ({"orpo": Objective("orpo", (_beta_is_lambda,))}, "orpo"),
    "trl dpo": (_DPO, "sigmoid"),
    "trl dpo, smoothed": (
        _DPO | {"sigmoid": Objective("cdpo", (_TRL_BETA, _smoothing_is_meant))},
        "sigmoid",
    ),
}
