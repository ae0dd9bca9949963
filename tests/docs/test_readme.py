"""What the README says is run."""

import re
from pathlib import Path

from typer.testing import CliRunner

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_the_python_example_runs(capsys):
    code = re.search(r"```python\n(.*?)```", README, re.S)
    assert code
    exec(compile(code.group(1), "README.md", "exec"), {})
    assert "γ_i" in capsys.readouterr().out


def test_every_command_exists():
    from gammapo.cli.app import app

    verbs = set(re.findall(r"^gammapo ([a-z-]+)", README, re.M))
    assert len(verbs) > 8
    for verb in sorted(verbs):
        result = CliRunner().invoke(app, [verb, "--help"])
        assert result.exit_code == 0, (verb, result.output)


def test_every_make_target_exists():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make ([a-z-]+)", README, re.M):
        assert re.search(rf"^{target}:", makefile, re.M), target


def test_links_and_folders_are_there():
    for link in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / link).exists(), link
    for row in re.findall(r"^\| ((?:`[a-z]+`(?:, )?)+) \|", README, re.M):
        for folder in re.findall(r"`([a-z]+)`", row):
            assert (ROOT / "src" / "gammapo" / folder).is_dir(), folder
