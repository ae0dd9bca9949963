"""Log-probs of preference pairs: the prompt read once, no padding, only the answers scored."""

from gammapo.logps.pairs import pair_logps
from gammapo.logps.reference import model_digest, reference_logps

__all__ = ["model_digest", "pair_logps", "reference_logps"]
