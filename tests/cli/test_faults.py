"""Paths and files that cannot be used end a verb with exit code 2 and one line, never with a traceback."""

import pytest


@pytest.fixture
def pairs(tmp_path):
    path = tmp_path / "pairs.jsonl"
    path.write_text('{"prompt": "a", "chosen": "yes", "rejected": "no"}\n')
    return path


@pytest.fixture
def noise(tmp_path):
    path = tmp_path / "noise.bin"
    path.write_bytes(bytes(range(128, 256)))
    return path


@pytest.mark.parametrize(
    "verb",
    [
        ["train", "{}"],
        ["bench", "{}"],
        ["import-recipe", "{}"],
        ["workspace", "start", "{}", "--workspace", "{folder}"],
        ["data", "describe", "{}"],
        ["audit", "{}"],
        ["corrupt", "{}", "--noise", "symmetric", "--rate", "0.3", "-o", "out.jsonl"],
        ["generate", "--model", "smollm2", "--prompts", "{}", "-o", "out.json"],
        ["judge", "{}", "--against", "{}", "--judge", "rules:{}", "-o", "out.json"],
        ["winrate", "{}"],
        ["compare", "{}", "{}"],
        ["score", "{}", "--simpo", "1/2", "--higher", "3/4", "--workspace", "{folder}"],
    ],
    ids=lambda verb: verb[0],
)
def test_a_file_of_no_text(verb, run, noise, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    code, out, err = run(*(word.replace("{}", str(noise)).format(folder=tmp_path) for word in verb))
    assert code == 2, err
    assert out == ""
    assert err.splitlines()[-1].startswith("gammapo: ")
    assert {entry.name for entry in tmp_path.iterdir()} == {"noise.bin", "data"}


@pytest.mark.parametrize("target", ["{pairs}/out.jsonl", "/proc/out.jsonl"])
def test_a_place_that_cannot_be_written(target, run, pairs):
    target = target.format(pairs=pairs)
    code, _, err = run("corrupt", pairs, "--noise", "symmetric", "--rate", "1", "-o", target)
    assert code == 2
    assert "To mend it" in err


def test_what_a_library_cannot_open_is_named(run, monkeypatch):
    from gammapo.cli import app as cli

    def fail():
        raise PermissionError(13, "Permission denied", "/root/x")

    monkeypatch.setattr(cli, "app", fail)
    code, _, err = run("doctor")
    assert (code, err) == (2, "gammapo: /root/x: Permission denied. To mend it: check path and rights\n")
