"""gammapo: preference training for labels that cannot all be trusted."""

__version__ = "0.1.0"
