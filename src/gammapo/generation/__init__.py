"""Sampling answers: `create(name, **options)` makes a backend, `Sampling` says how to draw."""

from gammapo.generation.check import OutputsReport, check_outputs
from gammapo.generation.outputs import write_outputs
from gammapo.generation.prompts import PromptItem, PromptSet, load_prompts
from gammapo.generation.spec import Backend, RefusedError, Sampling, create, names

__all__ = [
    "Backend",
    "OutputsReport",
    "PromptItem",
    "PromptSet",
    "RefusedError",
    "Sampling",
    "check_outputs",
    "create",
    "load_prompts",
    "names",
    "write_outputs",
]
