"""The verb, as a user calls it."""

import json

import pytest

from gammapo.workspace.paths import NAME

BASELINES = ["--simpo", "1/2", "--higher", "98/99"]


@pytest.fixture
def scored(tmp_path, run):
    """`scored(generator, *options)` scores 30 judgements of that generator in a workspace with its run."""
    rows = [
        {
            "instruction": f"question {place}",
            "output_1": "a reference answer " * (place % 5 + 1),
            "generator_1": "base",
            "output_2": f"answer number {place} " * (place % 3 + 1),
            "preference": 2.0 if place % 3 else 1.0,
        }
        for place in range(30)
    ]
    for name in (NAME, "mine"):
        folder = tmp_path / f"data/runs/{name}"
        folder.mkdir(parents=True)
        recipe = {"model": {"path": "m"}, "data": {"path": "d"}, "loss": {"name": "gammapo"}}
        note = {"status": "done", "recipe": recipe, "data_fingerprint": "f"}
        (folder / "run.json").write_text(json.dumps(note))

    def call(generator, *options):
        path = tmp_path / "annotations.json"
        path.write_text(json.dumps([row | {"generator_2": generator} for row in rows]))
        code, out, err = run("score", path, *BASELINES, "--workspace", tmp_path, "--format", "json", *options)
        return code, json.loads(out) if out else None, err

    return call


def test_the_judgements_are_the_submissions_own(scored, tmp_path):
    code, _, err = scored("another")
    assert code == 2
    assert "annotations.json: generator_2: judges the answers of 'another'" in err
    assert f"expected those of the submission, {NAME!r}" in err
    assert not (tmp_path / "data/outputs/submissions.json").exists()
    code, found, err = scored(NAME)
    assert code == 0, err
    assert (found["name"], [one["name"] for one in found["submissions"]]) == (NAME, [NAME])
    code, _, err = scored(NAME, "--name", "mine")
    assert (code, "'mine'" in err) == (2, True)


def test_what_is_not_entered_is_shown_by_its_own_name(scored):
    code, found, err = scored("another", "--no-enter")
    assert code == 0, err
    assert (found["name"], found["submissions"]) == ("another", [])
    assert scored("another", "--no-enter", "--name", "mine")[0] == 2
