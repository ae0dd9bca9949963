"""The command line: one thin file a verb, errors turned into exit codes.

Verb modules import only typer and the standard library at their top, so that `gammapo --help` is quick.
"""

from __future__ import annotations

import importlib
import io
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from gammapo import __version__
from gammapo.errors import GammapoError, first_line

# verb → module with a function `command`, or a typer app named `app` for a verb with verbs of its own
VERBS = {
    "demo": "gammapo.cli.demo",
    "data": "gammapo.cli.data",
    "audit": "gammapo.cli.audit",
    "corrupt": "gammapo.cli.corrupt",
    "sample-pairs": "gammapo.cli.sample_pairs",
    "train": "gammapo.cli.train",
    "repair": "gammapo.cli.repair",
    "losses": "gammapo.cli.losses",
    "generate": "gammapo.cli.generate",
    "judge": "gammapo.cli.judge",
    "winrate": "gammapo.cli.winrate",
    "compare": "gammapo.cli.compare",
    "bench": "gammapo.cli.bench",
    "report": "gammapo.cli.report",
    "doctor": "gammapo.cli.doctor",
    "import-recipe": "gammapo.cli.import_recipe",
    "workspace": "gammapo.cli.workspace",
    "export": "gammapo.cli.export",
    "score": "gammapo.cli.score",
}

# a path that cannot be used is bad input; any other fault of a disk is a failed run
PLACES = (FileExistsError, FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError)


class _InterruptError(Exception):
    """A Ctrl-C on its way past typer, which would end the process without a word."""


class _Verbs(TyperGroup):
    """All verbs; an interrupt leaves them as an error of ours."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as stop:
            raise _InterruptError from stop


app = typer.Typer(
    name="gammapo",
    cls=_Verbs,
    help="Preference training for labels that cannot all be trusted.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"gammapo {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Show the version."
    ),
) -> None:
    pass


for _verb, _target in VERBS.items():
    _module = importlib.import_module(_target)
    if hasattr(_module, "app"):
        app.add_typer(_module.app, name=_verb)
    else:
        app.command(_verb)(_module.command)


def main() -> None:
    """Run the command line; exit 0 (done), 1 (the run failed), 2 (bad input or usage), 130 (interrupted)."""
    for stream in (sys.stdout, sys.stderr):  # a text may hold what the terminal's encoding does not
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except GammapoError as error:
        typer.echo(f"gammapo: {error}", err=True)
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, _InterruptError):
        typer.echo("gammapo: interrupted; the same command goes on where it stood", err=True)
        sys.exit(130)
    except OSError as error:  # of libraries that write for themselves; files.py names its own
        typer.echo(f"gammapo: {_in_words(error)}", err=True)
        sys.exit(2 if isinstance(error, PLACES) else 1)


def _in_words(error: OSError) -> str:
    """One line: the place, if the error names one, and what is wrong there."""
    if error.filename is not None:
        return f"{error.filename}: {error.strerror}. To mend it: check path and rights"
    return first_line(error)
