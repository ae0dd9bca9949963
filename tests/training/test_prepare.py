"""From a recipe to what is trained on."""

import pytest

from gammapo import data, noise
from gammapo.errors import InputError
from gammapo.training.prepare import prepare
from gammapo.training.recipe import parse_recipe


def test_labels_that_are_corrupted_already_are_not_corrupted_again(recipe_dict, pair_file, tmp_path):
    """With the same seed the second round would turn the same labels back, and list them as turned."""
    done = noise.corrupt(data.load_pairs(pair_file).pairs, "symmetric", rate=0.4, seed=0)
    noisy = tmp_path / "noisy.jsonl"
    data.write_pairs(noisy, done.pairs, extra={data.MARKER: done.manifest.fingerprint})
    recipe_dict["data"]["path"] = str(noisy)
    recipe_dict["noise"] = {"kind": "symmetric", "rate": 0.4, "seed": 0}
    with pytest.raises(InputError, match="corrupted already"):
        prepare(parse_recipe(recipe_dict))
    recipe_dict["noise"] = {"rate": 0.0}
    assert prepare(parse_recipe(recipe_dict)).noise is None


def test_rows_that_a_limit_leaves_out_are_told_of(recipe_dict):
    whole = prepare(parse_recipe(recipe_dict))
    assert not [note for note in whole.notes if "limit" in note]
    recipe_dict["data"]["limit"] = 5
    cut = prepare(parse_recipe(recipe_dict))
    assert len(cut.pairs) == 5
    assert "data.limit is 5: what follows in the file is not read" in cut.notes


def test_a_template_that_writes_the_date_is_told(recipe_dict, tmp_path):
    from gammapo import models

    assert not [note for note in prepare(parse_recipe(recipe_dict)).notes if "date" in note]
    tokenizer = models.load_tokenizer(recipe_dict["model"]["path"])
    tokenizer.chat_template = f"{{{{ strftime_now('%d %b %Y') }}}}{tokenizer.chat_template}"
    tokenizer.save_pretrained(tmp_path / "dated")
    (tmp_path / "dated" / "config.json").write_text("{}")
    recipe_dict["model"] = {"path": str(tmp_path / "dated")}
    assert "today's date: on another day a resumed run" in prepare(parse_recipe(recipe_dict)).notes[-1]
