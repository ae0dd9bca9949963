"""Loading models: `load_model`, `load_tokenizer`; the name "smollm2" stands for the embedded model."""

from gammapo.models.load import is_adapter, load_model, load_tokenizer, quiet, resolve

__all__ = ["is_adapter", "load_model", "load_tokenizer", "quiet", "resolve"]
