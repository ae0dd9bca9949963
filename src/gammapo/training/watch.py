"""Watching a run while it trains: a warning in the log, once each, when a sign of collapse appears."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from gammapo.health import Limits, signs

logger = logging.getLogger(__name__)
# What can be told before the end of a run. The other signs need the whole of it, and stand in its report.
LIVE = ("collapse", "length drift", "repetition")
FIELDS = ("step", "chosen_logp", "sample_length", "sample_repetition")
LIMITS = Limits(
    steps=5
)  # one logging step may hold a few pairs only, so start and end are at least 5 of them


class Watch:
    """Sees every row of metrics on the first rank. Each sign is said once, and again if it grows serious."""

    def __init__(self, limits: Limits = LIMITS):
        self.limits = limits
        self._rows: list[dict[str, Any]] = []
        self._said: set[tuple[str, str]] = set()

    def see(self, row: Mapping[str, Any]) -> None:
        self._rows.append({name: row[name] for name in FIELDS if name in row})
        if "sample_length" not in row and len(self._rows) % max(1, len(self._rows) // 50):
            return  # looking goes through all rows; in a long run one look a fiftieth of it is enough
        for sign in signs(self._rows, limits=self.limits):
            if sign.name in LIVE and (sign.name, sign.level) not in self._said:
                self._said |= {(sign.name, sign.level), (sign.name, "warning")}
                logger.warning("step %s: %s", row.get("step", "?"), sign.text.replace("**", ""))

    def recall(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Take up the rows of a run that goes on; what they show is said again at the next row."""
        self._rows = [{name: row[name] for name in FIELDS if name in row} for row in rows]
