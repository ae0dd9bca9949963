"""Sampling answers: `create(name, **options)` makes a backend, `Sampling` says how to draw."""

from gammapo.generation.spec import Backend, Sampling, create, names

__all__ = ["Backend", "Sampling", "create", "names"]
