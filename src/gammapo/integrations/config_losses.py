"""The objective of another trainer's config as a loss of ours: γ, cloning terms, smoothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gammapo.errors import InputError

GAMMAPO_LOSSES = {"gm-simpo": "gamma_simpo", "simpo": "simpo", "cpo": "cpo", "orpo": "orpo"}
TRL_DPO = {
    **{name: name for name in "ipo hinge exo_pair nca_pair bco_pair sppo_hard apo_zero apo_down".split()},
    "sigmoid": "dpo",
    "robust": "rdpo",
}


def loss_section(theirs: dict[str, Any], kind: str, path: str | Path, said: list[str]) -> dict[str, Any]:
    """The recipe's loss section of a config of that kind; differences are added to `said`."""
    if kind == "trl":
        return _trl_loss(theirs, said, path)
    beta = theirs.get("beta", 2.0)
    name = "simpo"
    if kind == "gammapo":
        theirs_name = str(theirs.get("loss_type", "dpo"))
        if theirs.get("trainer_type", "simpo") != "simpo" or theirs_name not in GAMMAPO_LOSSES:
            raise _no_such(theirs_name, path, list(GAMMAPO_LOSSES))
        name = GAMMAPO_LOSSES[theirs_name]
    elif theirs.get("loss_type", "sigmoid") != "sigmoid":
        raise _no_such(str(theirs["loss_type"]), path, ["sigmoid"])
    if name in ("cpo", "orpo"):
        return _gammapo_baseline(name, beta, theirs, said)
    loss: dict[str, Any] = {"name": name, "beta": beta} | _margin(theirs, beta, said)
    if name == "gamma_simpo":
        loss["tau"] = theirs.get("tau", 1.0)
        said.append(
            "margins: solved exactly here, over the whole step of all GPUs and the latest gaps before it; "
            "theirs take 20 mirror-descent steps over one GPU's micro-batch and gaps drawn at random from "
            "its own queue, which starts with random numbers"
        )
    if smoothing := theirs.get("label_smoothing", 0):
        if name == "simpo":
            loss["epsilon"] = smoothing
            if kind == "gammapo":
                said.append(
                    "label smoothing: theirs takes γ off both ways, −(1−ε)log σ(r−γ) − ε log σ(−r−γ); "
                    "here the smoothed label's term is log σ(−(r−γ))"
                )
        else:
            said.append(f"label_smoothing={smoothing} is ignored by their gm-simpo, and left out")
    if weight := theirs.get("sft_weight", 0):
        loss["alpha"] = weight
        said.append(
            f"sft_weight={weight}: theirs averages over all the micro-batch's answer tokens, so long answers "
            "weigh more; here each answer's own mean counts once"
        )
    return loss


def _margin(theirs: dict[str, Any], beta: float, said: list[str]) -> dict[str, float]:
    """γ as the source means it: SimPO's first version had it absolute, later ones as a share of β."""
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


def _gammapo_baseline(name: str, beta: float, theirs: dict[str, Any], said: list[str]) -> dict[str, Any]:
    ratio = theirs.get("gamma_beta_ratio", 0.25)
    if name == "cpo":
        said.append(
            f"cpo: gamma_beta_ratio={ratio} is the weight of cloning there (alpha here), and their gap is a "
            "mean per token; CPO's, and ours, is the sum"
        )
        return {"name": "cpo", "beta": beta, "alpha": ratio}
    said.append(f"orpo: gamma_beta_ratio={ratio} is ORPO's λ there (lam here)")
    return {"name": "orpo", "lam": ratio}


def _trl_loss(theirs: dict[str, Any], said: list[str], path: str | Path) -> dict[str, Any]:
    name = theirs.get("loss_type", "sigmoid")
    name = name[0] if isinstance(name, list) and len(name) == 1 else name
    if not isinstance(name, str):
        raise _no_such(str(name), path, ["one loss"])
    beta = theirs.get("beta", 0.1)
    cpo = {"cpo_alpha", "simpo_gamma"} & theirs.keys() or name in ("simpo", "alphapo")
    if not cpo:
        if name not in TRL_DPO:
            raise _no_such(name, path, list(TRL_DPO))
        loss = {"name": TRL_DPO[name]} | (
            {} if name == "sppo_hard" and "beta" not in theirs else {"beta": beta}
        )
        if smoothing := theirs.get("label_smoothing", 0):
            loss |= {"name": "cdpo"} if name == "sigmoid" else {}
            loss["epsilon"] = smoothing
            if name == "sigmoid":
                said.append(
                    "label_smoothing with loss_type sigmoid is ignored by TRL 1.16's DPOTrainer; read as cDPO"
                )
        return loss
    cloning = 0.0 if name == "alphapo" else theirs.get("cpo_alpha", 1.0)
    if cloning:
        origin = "set to" if "cpo_alpha" in theirs else "not set, and its default is"
        said.append(
            f"hidden NLL term: cpo_alpha is {origin} {cloning:g}, so TRL adds {cloning:g} × the NLL of the "
            "chosen answer. It is kept, as alpha; remove alpha for the loss as published. TRL averages it "
            "over the micro-batch's answer tokens, here each answer's own mean counts once"
        )
    if name == "sigmoid":
        return {"name": "cpo", "beta": beta, "alpha": cloning}
    gamma = theirs.get("simpo_gamma", 0.5)
    said.append(
        f"simpo_gamma={gamma} is absolute in TRL, a ratio γ/β of {gamma / beta:g} at β={beta}; kept absolute"
    )
    if beta < 1:
        said.append(f"beta={beta} is DPO's size; SimPO's authors use 2 to 10")
    loss = {"name": name, "beta": beta, "gamma": gamma}
    if name == "alphapo":
        return loss | {"alpha": theirs.get("alpha", 0.0)}
    if name != "simpo":
        raise _no_such(name, path, ["sigmoid", "simpo", "alphapo"])
    smoothing = {"epsilon": theirs["label_smoothing"]} if theirs.get("label_smoothing") else {}
    return loss | smoothing | ({"alpha": cloning} if cloning else {})


def _no_such(name: str, path: str | Path, known: list[str]) -> InputError:
    return InputError(
        f"loss_type {name!r} cannot be imported",
        file=path,
        field="loss_type",
        expected=", ".join(known),
        fix="write the recipe by hand; `gammapo losses` lists what there is",
    )
