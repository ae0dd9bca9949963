"""Losses over pairs: pure functions of summed log-probs. `create(name, **options)` makes one."""

from gammapo.losses.spec import NEEDS, Loss, LossSpec, create, defaults, names, option

__all__ = ["NEEDS", "Loss", "LossSpec", "create", "defaults", "names", "option"]
