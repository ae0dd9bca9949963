"""The task's score: 0 at or below SimPO's win rate, 100 at or above the higher baseline's, linear between."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gammapo.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Rates:
    """Win rates in points: length-controlled and raw. `generator` and `reference`: whose, and against whom,
    where that is known."""

    lc: float
    wr: float
    reference: str | None = None
    generator: str | None = None


@dataclass(frozen=True, kw_only=True)
class Score:
    """Points in [0, 100]. `task` is the mean of both."""

    lc: float
    wr: float

    @property
    def task(self) -> float:
        return (self.lc + self.wr) / 2


def score(rates: Rates, simpo: Rates, higher: Rates) -> Score:
    """The score of a submission between two baselines.

    Raises:
        InputError: the higher baseline is not above SimPO, or rates against another reference.
    """
    for option, baseline in (("--simpo", simpo), ("--higher", higher)):
        if None not in (rates.reference, baseline.reference) and rates.reference != baseline.reference:
            raise InputError(
                f"its judgements are against {baseline.reference!r}",
                field=option,
                expected=f"the reference of the submission's, {rates.reference!r}",
                fix="give the baseline's judgements, or rates, against the same reference",
            )
    return Score(
        lc=_between(rates.lc, simpo.lc, higher.lc, "lc"), wr=_between(rates.wr, simpo.wr, higher.wr, "wr")
    )


def check_name(rates: Rates, name: str, annotations: Path) -> None:
    """Raise InputError if a file of judgements is not of the submission of that name.

    It would enter the ledger under the loss of another run.
    """
    if rates.generator not in (None, name):
        raise InputError(
            f"judges the answers of {rates.generator!r}",
            file=annotations,
            field="generator_2",
            expected=f"those of the submission, {name!r}",
            fix="name the submission with --name, or give its own judgements",
        )


def _between(value: float, low: float, high: float, name: str) -> float:
    if high <= low:
        raise InputError(
            f"the higher baseline's {name} {high:g} is not above SimPO's {low:g}",
            field="--higher",
            fix="give the better baseline's rates",
        )
    return 100 * min(1.0, max(0.0, (value - low) / (high - low)))


def parse_rates(text: str, option: str) -> Rates:
    """ "LC/WR" in points, or a file of judgements that is evaluated.

    Raises:
        InputError: neither.
    """
    if Path(text).is_file():
        return measure(Path(text))
    try:
        lc, wr = (float(part) for part in text.split("/"))
    except ValueError:
        raise InputError(
            f"got {text!r}",
            field=option,
            expected="LC/WR in points, as in 30.5/28.1, or a file of judgements",
        ) from None
    if not (0 <= lc <= 100 and 0 <= wr <= 100):
        raise InputError(f"got {text!r}", field=option, expected="points between 0 and 100")
    return Rates(lc=lc, wr=wr)


def measure(annotations: Path) -> Rates:
    """The win rates of a file of judgements.

    Raises:
        InputError: a file that `gammapo winrate` refuses, or rows that tell no length-controlled rate.
    """
    from gammapo.evaluation.evaluate import NO_LC, Options, evaluate_files

    (found,) = evaluate_files([annotations], Options(bootstrap=0))
    if found.length_controlled is None:
        raise InputError(
            next(warning for warning in found.warnings if warning.startswith(NO_LC)),
            file=annotations,
            expected="all 805 of AlpacaEval 2",
        )
    return Rates(
        lc=found.length_controlled.length_controlled_winrate,
        wr=found.win_rate.win_rate,
        reference=found.reference,
        generator=found.generator,
    )
