"""The real entry point, as a user's shell would call it."""

import pytest

from gammapo.cli import app as cli


@pytest.fixture
def run(monkeypatch, capsys):
    """`run(*arguments)` gives exit code, stdout and stderr of `gammapo ARGUMENTS`."""

    def call(*arguments):
        monkeypatch.delenv("COLUMNS", raising=False)  # pytest-xdist sets it; a pipe has no width
        monkeypatch.setattr("sys.argv", ["gammapo", *map(str, arguments)])
        try:
            cli.main()
            code = 0
        except SystemExit as stop:
            code = stop.code or 0
        streams = capsys.readouterr()
        return code, streams.out, streams.err

    return call
