"""Losses over pairs: pure functions of summed log-probs. `create(name, **options)` makes one."""

from gammapo.losses.spec import Loss, LossSpec, create, names, option

__all__ = ["Loss", "LossSpec", "create", "names", "option"]
