"""Loading models: `load_model`, `load_tokenizer`; the name "smollm2" stands for the embedded model."""

from gammapo.models.adapter import add_lora
from gammapo.models.load import is_adapter, load_config, load_model, load_tokenizer, resolve
from gammapo.models.whole import quiet

__all__ = ["add_lora", "is_adapter", "load_config", "load_model", "load_tokenizer", "quiet", "resolve"]
