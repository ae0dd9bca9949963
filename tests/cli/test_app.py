"""The entry point itself: what every verb ends with."""

import errno
import json
import signal
import subprocess
import sys

import pytest

from gammapo.cli import app as cli
from gammapo.workspace.paths import open_workspace

# A user's loss module, imported by whichever verb needs the loss; it keeps that verb at work. Shells start
# background jobs with SIGINT ignored, which children inherit, so the handler is set anew.
SLOW = """
import signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)
print("at work", flush=True)
time.sleep(60)
"""
RECIPE = """
model: {path: some/model}
data: {path: pairs.jsonl}
loss: {name: 'slow:LOSS'}
output: run
"""


@pytest.mark.parametrize(
    "verb",
    [["losses", "slow:LOSS"], ["train", "recipe.yaml"], ["workspace", "start", "recipe.yaml"]],
    ids=lambda verb: verb[0],
)
def test_an_interrupt_ends_with_130_and_one_line(verb, tmp_path):
    (tmp_path / "slow.py").write_text(SLOW)
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    if verb[0] == "workspace":  # a verb with verbs of its own
        verb = [*verb, "--workspace", str(tmp_path)]
        place = open_workspace(tmp_path)
        for folder in (place.dataset, place.checkpoint):
            (folder / "not empty").mkdir(parents=True)
    command = [sys.executable, "-m", "gammapo", *verb]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "at work\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert err == "gammapo: interrupted; the same command goes on where it stood\n"


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "[Errno 28] No space left on device"),
        (OSError("cannot reach the hub\nTraceback of another library"), "cannot reach the hub"),
        (OSError(), "OSError"),
    ],
)
def test_a_fault_of_the_system_that_names_no_file_is_one_line(fault, said, run, monkeypatch):
    def fail():
        raise fault

    monkeypatch.setattr(cli, "app", fail)
    assert run("doctor") == (1, "", f"gammapo: {said}\n")


def test_half_a_character_is_shown_as_json_writes_it(tmp_path):
    """Files of judgements may hold one; what is printed of them must not end in a traceback."""
    rows = [
        {
            "instruction": str(place),
            "output_1": "a",
            "output_2": "b",
            "generator_1": "r",
            "generator_2": "m\ud83d",
        }
        for place in range(12)
    ]
    path = tmp_path / "a.json"
    path.write_text(json.dumps([row | {"preference": 1.5} for row in rows]))
    code = "from gammapo.cli.app import main; main()"
    command = [sys.executable, "-c", code, "winrate", str(path), "--bootstrap", "0"]
    for form in ("json", "table"):
        done = subprocess.run([*command, "--format", form], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert r"m\ud83d" in done.stdout
    assert json.loads(subprocess.run([*command, "--format", "json"], capture_output=True).stdout)
