"""Log-probs of preference pairs: the prompt read once, no padding, only the answers scored."""

from gammapo.logps.pairs import pair_logps
from gammapo.logps.reference import reference_logps

__all__ = ["pair_logps", "reference_logps"]
