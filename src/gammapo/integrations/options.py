"""From a TRL config to one of our losses: what maps, what cannot, nothing guessed and nothing ignored."""

from __future__ import annotations

from typing import Any

from gammapo import losses
from gammapo.errors import InputError
from gammapo.losses.spec import Loss

# TRL's field → our option. `simpo_gamma` is absolute there as `gamma` is here.
RENAMED = {"beta": "beta", "simpo_gamma": "gamma"}
# TRL's field → (the value at which it does nothing, what to do instead)
WITHOUT_PART = {
    "cpo_alpha": (
        0.0,
        "losses here never add a cloning term unasked; for one, give loss_options={'alpha': …}",
    ),
    "label_smoothing": (0.0, "give it to a loss that has it, as loss_options={'epsilon': …}"),
    "alpha": (0.0, "take loss_type='alphapo' with loss_options={'alpha': …}"),
    "loss_weights": (None, "one loss is trained at a time"),
    "ld_alpha": (None, "take a loss with length normalisation"),
    "f_divergence_type": ("reverse_kl", "losses here are of the log-ratio itself"),
    "use_weighting": (False, "take loss_type='wpo'"),
}


def one_name(given: Any) -> Any:
    """The name in TRL's `loss_type`, which may be a list of one.

    Raises:
        InputError: a list of several, or of none.
    """
    if not isinstance(given, list | tuple):
        return given
    if len(given) != 1:
        raise InputError(
            f"got {given!r}",
            field="loss_type",
            expected="one loss: weighted sums of several are not supported",
            fix="name one of them",
        )
    return given[0]


def loss_of(config: Any) -> Loss:
    """The loss that a config of ours names.

    Raises:
        InputError: a config not of ours, an unknown loss or option, an option given twice, or a TRL option
            without a part in it.
    """
    if not hasattr(config, "loss_options"):
        raise InputError(
            f"got {'none' if config is None else f'{type(config).__module__}.{type(config).__name__}'}",
            field="args",
            expected="a DPOConfig or CPOConfig of gammapo.integrations.trl",
            fix="import the config from there, beside the trainer",
        )
    given = config.loss_options or {}
    if not isinstance(given, dict):
        raise InputError(
            f"got {given!r}",
            field="loss_options",
            expected='the loss\'s own options, as {"beta": 2.5}',
            fix="write it so",
        )
    options = dict(given)
    for theirs, ours in RENAMED.items():
        value = getattr(config, theirs, None)
        if value is None:
            continue
        if ours in options:
            raise InputError(
                f"{theirs}={value} and loss_options[{ours!r}]={options[ours]} say the same thing",
                field=theirs,
                expected="one of them",
                fix=f"keep loss_options={{{ours!r}: …}}",
            )
        options[ours] = value
    for name, (idle, instead) in WITHOUT_PART.items():
        value = getattr(config, name, idle)
        if value is not None and value != idle:
            raise InputError(
                f"{name}={value!r} has no part in loss {config.loss_name!r}",
                field=name,
                expected=f"{idle!r}",
                fix=instead,
            )
    return losses.create(config.loss_name, **options)
