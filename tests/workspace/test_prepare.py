"""What start.sh trains: the workspace's paths in the recipe, the split, idea.md, one recipe a name."""

from pathlib import Path

import pytest
import yaml
from datasets import Dataset, DatasetDict

from gammapo.data import load_pairs
from gammapo.errors import InputError
from gammapo.training import load_recipe
from gammapo.workspace.paths import Workspace, open_workspace
from gammapo.workspace.prepare import prepare_start, training_split

RECIPE = Path(__file__).parents[2] / "recipes/qwen2.5-7b-instruct/gammapo.yaml"
ROWS = [{"prompt": f"q{index}", "chosen": "good", "rejected": "bad"} for index in range(5)]


@pytest.fixture
def workspace(tmp_path):
    place = Workspace(root=tmp_path)
    splits = {"train_prefs": Dataset.from_list(ROWS), "test_prefs": Dataset.from_list(ROWS[:2])}
    DatasetDict(splits).save_to_disk(str(place.dataset))
    place.checkpoint.mkdir(parents=True)
    (place.checkpoint / "config.json").write_text("{}")
    return place


def test_paths_are_the_workspaces_and_settings_the_recipes(workspace, tmp_path):
    (tmp_path / "idea.md").write_text("# idea\n")
    start = prepare_start(workspace, RECIPE, ["training.seed=7"], idea=tmp_path / "idea.md")
    written, theirs = load_recipe(start.path), load_recipe(RECIPE)
    assert written.model.path == str(workspace.checkpoint)
    assert (written.data.path, written.data.split) == (str(workspace.dataset), "train_prefs")
    assert written.output == str(workspace.run)
    assert written.loss == theirs.loss
    assert written.training.seed == 7
    assert workspace.idea.read_text() == "# idea\n"
    assert not start.notices  # every setting within the task's ranges


def test_a_name_is_one_recipe_once_it_is_trained(workspace):
    prepare_start(workspace, RECIPE)
    prepare_start(workspace, RECIPE, ["loss.beta=3", "loss.gamma_beta_ratio=0.4"])  # not yet trained
    workspace.run.mkdir(parents=True)
    (workspace.run / "run.json").write_text("{}")
    with pytest.raises(InputError, match="another recipe was trained"):
        prepare_start(workspace, RECIPE)


def test_what_users_bring_must_be_there(tmp_path):
    with pytest.raises(InputError, match="the pairs of the task are missing"):
        prepare_start(Workspace(root=tmp_path), RECIPE)
    with pytest.raises(InputError, match="no such workspace"):
        open_workspace(tmp_path / "nowhere")


def test_the_root_may_come_from_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKSPACE", str(tmp_path))
    assert open_workspace().root == tmp_path.resolve()


def test_splits_of_a_folder_as_the_hub_lays_it_out(tmp_path):
    (tmp_path / "data").mkdir()
    for split, rows in (("train_prefs", ROWS), ("test_prefs", ROWS[:2])):
        Dataset.from_list(rows).to_parquet(str(tmp_path / f"data/{split}-00000-of-00001.parquet"))
    assert training_split(tmp_path) == "train_prefs"
    assert len(load_pairs(tmp_path, split=training_split(tmp_path)).pairs) == 5


def test_a_single_data_set_has_no_splits(tmp_path):
    Dataset.from_list(ROWS).save_to_disk(str(tmp_path / "one"))
    assert training_split(tmp_path / "one") is None


def test_other_splits_are_not_guessed(tmp_path):
    DatasetDict({"mine": Dataset.from_list(ROWS)}).save_to_disk(str(tmp_path / "other"))
    with pytest.raises(InputError, match="mine"):
        training_split(tmp_path / "other")


def test_the_recipe_written_is_plain_yaml(workspace):
    assert set(yaml.safe_load(prepare_start(workspace, RECIPE).path.read_text())) >= {"model", "loss"}


@pytest.mark.parametrize("given", ["model.path=other", "data.path=other", "output=other"])
def test_where_things_lie_is_the_workspaces_to_say(workspace, given):
    with pytest.raises(InputError, match=f"{given.split('=')[0]}: got 'other'; expected {workspace.root}"):
        prepare_start(workspace, RECIPE, [given])
    assert not workspace.recipe.exists()


def test_an_idea_that_is_no_text_is_refused_before_anything_is_written(workspace, tmp_path):
    (tmp_path / "idea.md").write_bytes(b"caf\xe9")
    with pytest.raises(InputError, match="idea.md: cannot be read as text"):
        prepare_start(workspace, RECIPE, idea=tmp_path / "idea.md")
    assert not workspace.recipe.exists()


@pytest.mark.parametrize("content", ["{}", "[]", '{"splits": 3}'])
def test_a_data_set_that_names_no_splits_is_refused(tmp_path, content):
    (tmp_path / "dataset_dict.json").write_text(content)
    with pytest.raises(InputError, match="dataset_dict.json: splits: names no splits"):
        training_split(tmp_path)


@pytest.mark.parametrize("name", ["", "..", "../mine", "a/b", "a\nb"])
def test_a_name_stays_in_the_workspace(tmp_path, name):
    with pytest.raises(InputError, match="--name"):
        open_workspace(tmp_path, name)
