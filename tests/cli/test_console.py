import io
import re
import subprocess
import sys
from pathlib import Path

from gammapo.cli import console
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


TEXTS = ["[train_prefs]", "mistral[/INST]", "(1−λC)[ℓ(m) + λC]", ":warning:", "[bold]x[/bold]"]


def test_a_table_shows_text_as_it_is(capsys):
    print_table(["[a]", ":b:"], [[text, 1] for text in TEXTS], title="[t] :smile:")
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == "[t] :smile:"
    assert lines[1].split() == ["[a]", ":b:"]
    assert [line.rpartition(" ")[0].rstrip() for line in lines[2:]] == TEXTS


def test_messages_and_their_styles_show_text_as_it_is(capsys):
    for text in TEXTS:
        console.stderr.print(text, style="yellow")
        console.stdout().print(text, style="bold")
    streams = capsys.readouterr()
    assert streams.out.splitlines() == streams.err.splitlines() == TEXTS


def test_a_line_of_the_log_is_never_broken(capsys):
    console.stderr.print(LONG.strip())
    assert capsys.readouterr().err == LONG.strip() + "\n"


def test_a_terminal_still_gets_its_styles(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    print_table(["name"], [["[x]"]])
    console.stdout().print("[y]", style="bold green")
    out = capsys.readouterr().out
    assert "\x1b[1mname" in out
    assert "\x1b[1;32m[y]\x1b[0m" in out


def test_progress_shows_the_stage_as_it_is_named(monkeypatch):
    shown = io.StringIO()
    monkeypatch.setattr(console, "stderr", console._plain(file=shown, force_terminal=True, width=200))
    with console.progress("run[v2] :smile: [/INST]") as bar:
        bar(1, 2)
    assert "run[v2] :smile: [/INST]" in shown.getvalue()


def test_verbs_print_through_these_consoles_alone():
    """A console of a verb's own, or rich's markup, would read users' brackets as markup."""
    folder = Path(console.__file__).parent
    for path in folder.glob("*.py"):
        if path.name != "console.py":
            text = path.read_text()
            assert not re.search(r"rich\.(console|markup|table)|markup=True", text), path
