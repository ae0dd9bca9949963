import subprocess
import sys

from gammapo.cli.console import print_table

LONG = "a name of more than a terminal's width " * 4


def test_a_pipe_gets_whole_rows(capsys, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    print_table(["name", "gold"], [[LONG.strip(), 0.5], ["short", 0.25]])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert LONG.strip() in lines[1]
    assert lines[2].split() == ["short", "0.25"]


def test_a_width_that_is_asked_for_is_kept(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    print_table(["name"], [[LONG.strip()]])
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 40


def test_the_package_runs_as_a_module_for_launchers_that_want_one():
    done = subprocess.run([sys.executable, "-m", "gammapo", "--version"], capture_output=True, text=True)
    assert (done.returncode, done.stdout.split()[0]) == (0, "gammapo")
