"""Random numbers that belong to an answer: a function of seed, prompt and the answer's number alone."""

from __future__ import annotations

import hashlib


def engine_seed(seed: int, prompt: str, number: int = 0) -> int:
    """A seed of 31 bits for an engine that draws by itself, of this prompt's answer `number` alone: with one
    seed for all, engines drive all prompts by the same noise."""
    return hashed(f"{seed}:{number}:{prompt}") >> 33


def hashed(text: str) -> int:
    """64 bits that look random."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big")
