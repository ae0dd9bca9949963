"""Data sets as TRL, SimPO and the alignment handbook name them; expectations read off their loaders."""

import pytest
import yaml

from gammapo.data.mixture import load_mixture
from gammapo.errors import InputError

BASE = {"model_name_or_path": "some/model", "loss_type": "sigmoid", "beta": 0.1}
# recipes/zephyr-7b-beta/dpo/config_full.yaml since 2025
MIXTURE = {
    "datasets": [
        {"id": "h4/ultra", "config": "default", "split": "train_prefs", "columns": ["chosen"], "weight": 1.0},
        {"id": "h4/ultra", "config": "default", "split": "test_prefs", "columns": ["chosen"], "weight": 1.0},
    ],
    "test_split_size": 2000,
    "seed": 0,
}


def place(found):
    return found.recipe["data"]["path"], found.recipe["data"]["split"]


@pytest.mark.parametrize(
    ("theirs", "split"),
    [
        ({"dataset_splits": "train"}, "train"),
        ({"dataset_splits": ["test_prefs", "train_prefs"]}, "train_prefs"),
        ({"dataset_splits": ["all"]}, "all"),
        ({"dataset_train_split": "train_sft"}, "train_sft"),
        ({}, "train"),
    ],
)
def test_splits(read, theirs, split):
    assert place(read(BASE | {"dataset_mixer": {"a/b": "1e0"}} | theirs)) == ("a/b", split)


def test_a_mixture_in_the_handbooks_newer_form(read):
    found = read(BASE | {"dataset_mixture": MIXTURE})
    assert place(found) == ("h4/ultra", "train_prefs")
    said = " ".join(found.differences)
    assert "of h4/ultra train_prefs, h4/ultra test_prefs only the first is taken" in said
    assert "test_split_size=2000" in said


def test_the_mixture_that_is_named_instead_is_one_of_ours(read, tmp_path):
    rows = '{"prompt": "a", "chosen": "yes", "rejected": "no"}\n'
    for name in ("one.jsonl", "two.jsonl"):
        (tmp_path / name).write_text(rows)
    found = read(BASE | {"dataset_mixer": {"one.jsonl": 1.0, "two.jsonl": 1.0}})
    (said,) = [text for text in found.differences if text.startswith("dataset_mixer")]
    content = yaml.safe_load(said[said.index("sources: ") :])
    assert [source["split"] for source in content["sources"]] == ["train", "train"]
    (tmp_path / "mix.yaml").write_text(yaml.safe_dump(content))
    assert len(load_mixture(tmp_path / "mix.yaml").pairs) == 2


def test_shares_are_said_and_subsets_named(read):
    rows = [
        {"id": "a/none", "weight": 0},
        {"id": "h4/talk", "config": "Preference", "split": "no_think", "weight": 0.5},
    ]
    found = read(BASE | {"dataset_mixture": {"datasets": rows}})
    assert place(found) == ("h4/talk:Preference", "no_think")
    assert "of h4/talk:Preference no_think × 0.5 all rows are taken" in " ".join(found.differences)
    named = read(BASE | {"dataset_name": "h4/talk", "dataset_config": "Preference"})
    assert place(named) == ("h4/talk:Preference", "train")
    mixed = read(BASE | {"dataset_mixer": {"a/b": 1.0, "c/d": 1.0}, "dataset_configs": ["default", "x"]})
    (said,) = [text for text in mixed.differences if text.startswith("dataset_mixer")]
    sources = yaml.safe_load(said[said.index("sources: ") :])["sources"]
    assert [source["path"] for source in sources] == ["a/b", "c/d:x"]


@pytest.mark.parametrize(
    ("theirs", "field"),
    [
        ({}, "dataset_name"),
        ({"dataset_name": 7}, "dataset_name"),
        ({"dataset_mixer": ["a/b"]}, "dataset_mixer"),
        ({"dataset_mixer": "a/b"}, "dataset_mixer"),
        ({"dataset_mixer": {}}, "dataset_mixer"),
        ({"dataset_mixer": {"a/b": 0.0}}, "dataset_mixer"),
        ({"dataset_mixer": {"a/b": "most"}}, "dataset_mixer.a/b"),
        ({"dataset_mixer": {"a/b": 2}}, "dataset_mixer.a/b"),
        ({"dataset_mixer": {"a/b": 1.0}, "dataset_configs": ["x", "y"]}, "dataset_configs"),
        ({"dataset_name": "a/b", "dataset_splits": {"train": 1}}, "dataset_splits"),
        ({"dataset_name": "a/b", "dataset_splits": []}, "dataset_splits"),
        ({"dataset_name": "a/b", "dataset_train_split": 1}, "dataset_train_split"),
        ({"dataset_mixture": {"a/b": 1.0}}, "dataset_mixture"),
        ({"dataset_mixture": {"datasets": []}}, "dataset_mixture"),
        ({"dataset_mixture": {"datasets": ["a/b"]}}, "dataset_mixture.datasets[0]"),
        ({"dataset_mixture": {"datasets": [{"split": "train"}]}}, "dataset_mixture.datasets[0].id"),
        (
            {"dataset_mixture": {"datasets": [{"id": "a/b", "weight": -1}]}},
            "dataset_mixture.datasets[0].weight",
        ),
    ],
)
def test_what_cannot_be_read_is_named_with_its_file(read, theirs, field):
    with pytest.raises(InputError) as caught:
        read(BASE | theirs)
    assert str(caught.value.file).endswith("theirs.yaml")
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("theirs", "limits", "words"),
    [
        ({}, (1024, None), "cuts the end of prompt + answer at 1024 tokens (keep_start)"),
        ({"truncation_mode": "keep_end"}, (1024, None), "cuts the start of prompt + answer"),
        ({"max_prompt_length": 512}, (1024, 512), "(before 0.29) cut a prompt to 512 tokens"),
        ({"gamma_beta_ratio": 0.5}, (512, 128), "its last 128 tokens"),
        ({"gamma_beta_ratio": 0.5, "truncation_mode": "keep_start"}, (512, 128), "its first 128 tokens"),
    ],
)
def test_limits(read, theirs, limits, words):
    found = read(BASE | {"dataset_name": "a/b"} | theirs)
    data = found.recipe["data"]
    assert (data["max_length"], data.get("max_prompt_length")) == limits
    assert words in " ".join(found.differences)
