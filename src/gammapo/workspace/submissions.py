"""The ledger of submissions: at most three, each with another training loss."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pydantic

from gammapo import files, losses
from gammapo.errors import InputError
from gammapo.workspace.finished import finished_note
from gammapo.workspace.score import Rates, Score

MOST = 3
# options that make another loss of the same name; another β, margin or rate is another setting of it
FORMS = ("per_token", "margin")


@dataclass(frozen=True, kw_only=True)
class Submission:
    """One scored submission. `loss` is the recipe's whole loss section."""

    __pydantic_config__ = pydantic.ConfigDict(extra="forbid")

    name: str
    loss: dict[str, Any]
    annotations: str  # SHA-256 of the judgements that the rates come from
    data_fingerprint: str
    lc: float
    wr: float
    score: float

    @property
    def form(self) -> tuple[Any, ...]:
        """What tells its loss from others: the name, and the options that change what is compared."""
        options = losses.create(**self.loss).options
        return (self.loss["name"], *(getattr(options, key, None) for key in FORMS))


def submit(
    ledger: Path, *, name: str, run: Path, annotations: Path, rates: Rates, points: Score
) -> list[Submission]:
    """Enter a submission and return all of them; the same one again changes nothing.

    Args:
        ledger: the JSON file of submissions.
        name: the generator's name.
        run: the run folder that it was trained in; its loss is what is submitted.
        annotations: its judgements.
        rates, points: what they come to.

    Raises:
        InputError: an unfinished run, a fourth submission, or a loss that was submitted before.
    """
    note = finished_note(run, field="--run")
    new = Submission(
        name=name,
        loss=note["recipe"]["loss"],
        annotations=files.sha256(annotations),
        data_fingerprint=note["data_fingerprint"],
        lc=rates.lc,
        wr=rates.wr,
        score=points.task,
    )
    known = read_ledger(ledger)
    if any((old.loss, old.annotations) == (new.loss, new.annotations) for old in known):
        return known
    if twin := next((old for old in known if _form(old, ledger) == new.form), None):
        raise InputError(
            f"the loss {new.loss['name']!r} was submitted before, as {twin.name!r}",
            file=ledger,
            expected="another training loss for each submission, not another setting of one",
            fix="train another loss (recipes gammapo, gamma_simpo, gammapo_dpo)",
        )
    if len(known) >= MOST:
        raise InputError(
            f"{MOST} submissions are made: " + ", ".join(old.name for old in known),
            file=ledger,
            expected=f"at most {MOST}",
            fix="score without entering it: --no-enter",
        )
    files.write_json(ledger, [asdict(one) for one in [*known, new]])
    return [*known, new]


def read_ledger(ledger: Path) -> list[Submission]:
    """All submissions, in the order of entry.

    Raises:
        InputError: a file that is no ledger.
    """
    if not ledger.exists():
        return []
    try:
        return pydantic.TypeAdapter(list[Submission]).validate_python(files.read_json(ledger))
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        raise InputError(
            f"not a ledger of submissions: {first['msg'].lower()}",
            file=ledger,
            field=".".join(str(part + 1 if isinstance(part, int) else part) for part in first["loc"]) or None,
            fix="restore the file",
        ) from error


def _form(entered: Submission, ledger: Path) -> tuple[Any, ...]:
    try:
        return entered.form
    except (TypeError, InputError) as error:  # no name, or a loss that is not here
        raise InputError(
            f"the submission {entered.name!r} names no loss that is known here",
            file=ledger,
            field="loss",
            expected="a name that `gammapo losses` lists, or module:attribute, and its options",
            fix="restore the file, or put the loss where Python finds it",
        ) from error
