"""`gammapo import-recipe`: recipe on stdout, differences on stderr, exit 2 with file and key for the rest.

What the keys mean is tested in tests/integrations.
"""

import pytest
import yaml

BASE = """
model_name_or_path: some/model
dataset_mixer: {some/pairs: 1.0}
beta: 0.1
hub_model_id: some-dpo
"""


@pytest.fixture
def theirs(tmp_path):
    folder = tmp_path / ("a folder whose name is longer than any line of a log would be, " * 3)
    folder.mkdir()
    path = folder / "theirs[v2].yaml"
    path.write_text(BASE)
    return path


def test_the_recipe_goes_to_stdout_and_whole_lines_to_stderr(theirs, run):
    code, out, err = run("import-recipe", theirs)
    assert code == 0, err
    assert yaml.safe_load(out)["loss"] == {"name": "dpo", "beta": 0.1}
    assert err.splitlines()[0] == f"{theirs}: read as trl"


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("dataset_mixer: [some/pairs]", "dataset_mixer"),
        ("dataset_mixture: {some/pairs: 1.0}", "dataset_mixture"),
        ("per_device_train_batch_size: auto", "per_device_train_batch_size"),
        ("beta: ten", "beta"),
    ],
)
def test_what_cannot_be_read_exits_2_and_is_named(theirs, run, line, key):
    kept = [one for one in BASE.strip().splitlines() if not one.startswith(f"{key}:")]
    theirs.write_text("\n".join([*kept, line, ""]))
    code, out, err = run("import-recipe", theirs)
    assert (code, out) == (2, "")
    assert err.startswith(f"gammapo: {theirs}: {key}: got ")


def test_their_config_is_never_replaced(theirs, run):
    code, out, err = run("import-recipe", theirs, "-o", theirs, "--overwrite")
    assert (code, out) == (2, "")
    assert "is the input" in err
    assert theirs.read_text() == BASE
