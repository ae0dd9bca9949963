"""From a recipe to what is trained on."""

import json
import shutil
from datetime import date

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


def test_a_template_that_writes_the_date_writes_that_of_the_run(recipe_dict, tiny_model_dir, tmp_path):
    from gammapo import models
    from gammapo.training import train

    assert prepare(parse_recipe(recipe_dict)).day is None
    shutil.copytree(tiny_model_dir, tmp_path / "dated")
    tokenizer = models.load_tokenizer(str(tiny_model_dir))
    tokenizer.chat_template = f"{{{{ strftime_now('%d %b %Y') }}}}{tokenizer.chat_template}"
    tokenizer.save_pretrained(tmp_path / "dated")
    recipe_dict["model"] = {"path": str(tmp_path / "dated")}
    recipe_dict["training"]["max_steps"] = 1

    def begins(prepared):
        return prepared.tokenizer.decode(prepared.pairs[0].prompt).removeprefix("<s>")[:11]

    before = date.today()
    train(parse_recipe(recipe_dict))
    note = tmp_path / recipe_dict["output"] / "run.json"
    begun = json.loads(note.read_text())
    assert before.isoformat() <= begun["day"] <= date.today().isoformat()
    note.write_text(json.dumps(begun | {"day": "2020-02-29"}))
    later = prepare(parse_recipe(recipe_dict))
    assert (begins(later), later.day) == ("29 Feb 2020", "2020-02-29")
    assert any("the chat template writes the date: 2020-02-29" in one for one in later.notes)
    later.tokenizer.save_pretrained(tmp_path / "saved")
    assert "2020" not in "".join(one.read_text() for one in (tmp_path / "saved").glob("*.json"))
    fresh = prepare(parse_recipe(recipe_dict | {"output": str(tmp_path / "other")}))
    assert begins(fresh) == date.fromisoformat(str(fresh.day)).strftime("%d %b %Y") != "29 Feb 2020"
