"""What a check finds: pairs with a reason each, or a statement about the file as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Hit:
    """One pair that a check names. `side` is "chosen", "rejected", "prompt" or "" for the pair as a whole."""

    id: str
    origin: str
    detail: str
    side: str = ""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The outcome of one check.

    Attributes:
        name: as in `--drop NAME`.
        title: a few words for tables.
        meaning: why it matters, one sentence.
        hits: the pairs named, at most one hit a pair and side, in file order.
        note: what there is to say about the file as a whole.
        skipped: why the check did not run; empty if it did.
    """

    name: str
    title: str
    meaning: str
    hits: tuple[Hit, ...] = ()
    note: str = ""
    skipped: str = ""

    @property
    def pairs(self) -> int:
        """How many different pairs are named."""
        return len({hit.id for hit in self.hits})

    def as_dict(self) -> dict[str, Any]:
        return {
            "title": self.title,
            "meaning": self.meaning,
            "pairs": self.pairs,
            "note": self.note,
            "skipped": self.skipped,
            "hits": [
                {"id": hit.id, "origin": hit.origin, "side": hit.side, "detail": hit.detail}
                for hit in self.hits
            ],
        }
