"""Loading models: `load_model`, `load_tokenizer`; the name "smollm2" stands for the embedded model."""

from gammapo.models.adapter import add_lora
from gammapo.models.load import is_adapter, load_model, load_tokenizer, quiet, resolve

__all__ = ["add_lora", "is_adapter", "load_model", "load_tokenizer", "quiet", "resolve"]
