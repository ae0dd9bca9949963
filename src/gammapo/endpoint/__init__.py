"""Calls to OpenAI-compatible servers: `client` asks, `exchange` carries, `meaning` says what came back."""

from gammapo.endpoint.client import OPENAI, Endpoint, split_model_at_url
from gammapo.endpoint.meaning import EndpointError, has_answer

__all__ = ["OPENAI", "Endpoint", "EndpointError", "has_answer", "split_model_at_url"]
