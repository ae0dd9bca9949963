"""Preference pairs: loaded from every common format, checked row by row, written, and tokenised."""

from gammapo.data.chat import ChatFormat, chat_format, encode_prompt, on_day, writes_the_date
from gammapo.data.faults import REASONS
from gammapo.data.ids import fingerprint, pair_id
from gammapo.data.load import Drop, LoadedPairs, LoadReport, iter_pairs
from gammapo.data.mixture import (
    Source,
    inputs_of,
    is_mixture,
    load_mixture,
    mix_pairs,
    source_sha256,
    sources_of,
)
from gammapo.data.pairs import load_pairs
from gammapo.data.shapes import MARKER
from gammapo.data.tokenize import TokenizedPairs, TruncationReport, encode_pair, tokenize_pairs
from gammapo.data.write import as_row, write_pairs

__all__ = [
    "MARKER",
    "REASONS",
    "ChatFormat",
    "Drop",
    "LoadReport",
    "LoadedPairs",
    "Source",
    "TokenizedPairs",
    "TruncationReport",
    "as_row",
    "chat_format",
    "encode_pair",
    "encode_prompt",
    "fingerprint",
    "inputs_of",
    "is_mixture",
    "iter_pairs",
    "load_mixture",
    "load_pairs",
    "mix_pairs",
    "on_day",
    "pair_id",
    "source_sha256",
    "sources_of",
    "tokenize_pairs",
    "write_pairs",
    "writes_the_date",
]
