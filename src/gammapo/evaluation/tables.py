"""The figures the length-controlled win rate needs: instruction difficulty and the two gamed baselines.

The packaged tables hold numbers only, keyed by the SHA-256 of an instruction. Difficulties are recovered
from published per-row predictions; the gamed preferences are reconstructed so that the published
coefficients of the gamed models satisfy their own score equations (`refine.py`).
"""

from __future__ import annotations

import csv
import functools
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gammapo.errors import InputError

Array = NDArray[np.float64]
OFFICIAL_REFERENCE = "gpt4_1106_preview"
PACKAGED = "packaged"
# In the evaluator's table of gamed rows, by its own column names (its instruction table has no hashes)
OFFICIAL_GAMED_FILE = "df_gamed.csv"
OFFICIAL_REPOSITORY = "tatsu-lab/alpaca_eval"


@dataclass(frozen=True, kw_only=True)
class LengthTables:
    """What length control knows about one instruction set.

    `difficulty` and `reference_length` (characters of the reference's output) are (N,), in the order of
    the official set, `index` maps an instruction's SHA-256 to its place. The gamed rows are (G,):
    length gap in standard deviations, difficulty, preference in [0, 1]. `source` names where they are from.
    """

    source: str
    index: dict[str, int]
    difficulty: Array
    reference_length: Array
    gamed_length_gap: Array
    gamed_difficulty: Array
    gamed_preference: Array

    def positions(self, instructions: Sequence[str]) -> NDArray[np.int64]:
        """Place of each instruction in the official set, −1 for an unknown one."""
        return np.array([self.index.get(fingerprint(text), -1) for text in instructions], dtype=np.int64)


def fingerprint(instruction: str) -> str:
    # half a surrogate pair, from a text cut in the middle of a character, makes an unknown instruction
    return hashlib.sha256(instruction.encode("utf-8", errors="surrogatepass")).hexdigest()


@functools.cache
def packaged_tables() -> LengthTables:
    """The tables inside the package: always there, offline."""
    folder = resources.files("gammapo.evaluation") / "tables"
    rows = _parse((folder / "instruction_difficulty.csv").read_text(encoding="utf-8"))
    gamed = _parse((folder / "gamed_baselines.csv").read_text(encoding="utf-8"))
    difficulty = _floats(rows, "instruction_difficulty")
    return LengthTables(
        source=PACKAGED,
        index={row["instruction_sha256"]: place for place, row in enumerate(rows)},
        difficulty=difficulty,
        reference_length=_floats(rows, "reference_length"),
        gamed_length_gap=_floats(gamed, "std_delta_len"),
        gamed_difficulty=difficulty[[int(row["index"]) for row in gamed]],
        gamed_preference=_floats(gamed, "preference"),
    )


def official_tables(folder: str | Path) -> LengthTables:
    """The evaluator's own gamed table, `df_gamed.csv`, from a local copy of its dataset repository.

    Instructions are still found by hash: the official file has positions only, and its order is that of
    the official set.

    Raises:
        InputError: the file is absent, lacks a column, or does not cover the official set.
    """
    path = Path(folder) / OFFICIAL_GAMED_FILE
    if not path.is_file():
        raise InputError(
            "no such file",
            file=path,
            expected=f"a local copy of {OFFICIAL_REPOSITORY} with {OFFICIAL_GAMED_FILE}",
            fix="download that file into the folder, or leave the option out to use the packaged tables",
        )
    rows = _parse(path.read_text(encoding="utf-8"))
    needed = {"index", "std_delta_len", "instruction_difficulty", "preference"}
    if not rows or not needed <= set(rows[0]):
        raise InputError(
            "columns are missing: " + ", ".join(sorted(needed - set(rows[0] if rows else ()))),
            file=path,
            expected="columns " + ", ".join(sorted(needed)),
        )
    packaged = packaged_tables()
    try:
        by_place = {int(float(row["index"])): float(row["instruction_difficulty"]) for row in rows}
        gaps, preferences = _floats(rows, "std_delta_len"), _floats(rows, "preference")
    except (TypeError, ValueError) as error:
        raise InputError(f"a cell is no number: {error}", file=path, fix="download the file again") from error
    if sorted(by_place) != list(range(len(packaged.difficulty))):
        raise InputError(
            f"covers {len(by_place)} instructions", file=path, expected=f"0 to {len(packaged.difficulty) - 1}"
        )
    return LengthTables(
        source=f"official ({path})",
        index=packaged.index,
        difficulty=np.array([by_place[place] for place in range(len(by_place))]),
        reference_length=packaged.reference_length,
        gamed_length_gap=gaps,
        gamed_difficulty=_floats(rows, "instruction_difficulty"),
        gamed_preference=preferences,
    )


def download_official_tables() -> LengthTables:
    """The evaluator's table fetched from the hub; nothing calls this unasked.

    Raises:
        InputError: the hub cannot be reached; the packaged tables need no network.
    """
    from huggingface_hub import hf_hub_download

    try:
        path = hf_hub_download(OFFICIAL_REPOSITORY, OFFICIAL_GAMED_FILE, repo_type="dataset")
    except Exception as error:  # the hub client has many failures, all with the same remedy
        raise InputError(
            f"the official tables could not be fetched ({type(error).__name__})",
            fix="use the packaged tables, or give a local folder that holds " + OFFICIAL_GAMED_FILE,
        ) from error
    return official_tables(Path(path).parent)


def tables_from(place: str | None) -> LengthTables:
    """`None` or "packaged", "hub", or a folder."""
    if place is None or place == PACKAGED:
        return packaged_tables()
    return download_official_tables() if place == "hub" else official_tables(place)


def _parse(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def _floats(rows: list[dict[str, str]], column: str) -> Array:
    return np.array([float(row[column]) for row in rows])
