"""The errors a user can meet. Each says what came, what was expected and how to mend it."""

from __future__ import annotations

from pathlib import Path


class GammapoError(Exception):
    """Base of all errors that gammapo raises on purpose."""

    exit_code = 1


class RunError(GammapoError):
    """A run failed for a reason that its input does not explain (exit code 1)."""


class InputError(GammapoError, ValueError):
    """Bad input or usage (exit code 2), placed as exactly as is known.

    Args:
        problem: what came and why it cannot be used, as one clause.
        file: the file at fault.
        line: its line, counted from 1; for a row of a table, the row counted from 1.
        field: the column, key or option at fault.
        expected: what would have been right.
        fix: what the user can do.
    """

    exit_code = 2

    def __init__(
        self,
        problem: str,
        *,
        file: str | Path | None = None,
        line: int | None = None,
        field: str | None = None,
        expected: str | None = None,
        fix: str | None = None,
    ):
        self.problem, self.file, self.line, self.field = problem, file, line, field
        self.expected, self.fix = expected, fix
        place = ""
        if file is not None:
            place = f"{file}:{line}: " if line is not None else f"{file}: "
        elif line is not None:
            place = f"line {line}: "
        if field is not None:
            place += f"{field}: "
        text = place + problem
        if expected is not None:
            text += f"; expected {expected}"
        if fix is not None:
            text += f". To mend it: {fix}"
        super().__init__(text)

    def inside(self, file: str | Path | None) -> InputError:
        """The same error, told of the file that it came from, if it names none yet."""
        if file is None or self.file is not None:
            return self
        return InputError(
            self.problem, file=file, line=self.line, field=self.field, expected=self.expected, fix=self.fix
        )


class MissingExtraError(InputError):
    """An optional package is needed and absent."""

    def __init__(self, package: str, extra: str, purpose: str):
        super().__init__(
            f"{purpose} needs the package {package!r}, which is not installed",
            fix=f"pip install 'gammapo[{extra}]'",
        )


def first_line(error: BaseException) -> str:
    """The first line of what another library's error says, or its kind where it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def nearest(word: str, known: list[str]) -> str:
    """A hint naming the known words nearest to `word`: "did you mean …?", or the whole list."""
    import difflib

    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"{close[0]!r}" if close else "one of " + ", ".join(sorted(known))
