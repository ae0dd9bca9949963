"""At most three submissions, each with another loss; the same one twice is one."""

import json
from pathlib import Path

import pytest

from gammapo.errors import InputError
from gammapo.training import load_recipe
from gammapo.workspace.finished import finished_note
from gammapo.workspace.score import Rates, Score
from gammapo.workspace.submissions import read_ledger, submit

RECIPES = Path(__file__).parents[2] / "recipes/qwen2.5-7b-instruct"


def enter(tmp_path, name, loss, text="[]", status="done"):
    run = tmp_path / name
    run.mkdir(exist_ok=True)
    recipe = {"model": {"path": "m"}, "data": {"path": "d"}, "loss": loss}
    note = {"status": status, "recipe": recipe, "data_fingerprint": "f"}
    (run / "run.json").write_text(json.dumps(note))
    (run / "annotations.json").write_text(text)
    return submit(
        tmp_path / "ledger.json",
        name=name,
        run=run,
        annotations=run / "annotations.json",
        rates=Rates(lc=40, wr=30),
        points=Score(lc=50, wr=100),
    )


def test_three_with_different_losses_and_no_more(tmp_path):
    enter(tmp_path, "a", {"name": "gammapo", "beta": 2.5})
    enter(tmp_path, "b", {"name": "gammapo", "beta": 2.5, "per_token": False})
    entered = enter(tmp_path, "c", {"name": "gamma_simpo"})
    assert [one.name for one in entered] == ["a", "b", "c"]
    assert entered[0].score == 75
    with pytest.raises(InputError, match="at most 3"):
        enter(tmp_path, "d", {"name": "simpo"})
    assert read_ledger(tmp_path / "ledger.json") == entered


def test_the_same_again_changes_nothing(tmp_path):
    once = enter(tmp_path, "a", {"name": "gammapo"})
    assert enter(tmp_path, "a", {"name": "gammapo"}) == once


def test_the_same_loss_with_other_judgements_is_refused(tmp_path):
    enter(tmp_path, "a", {"name": "gammapo"})
    with pytest.raises(InputError, match="submitted before, as 'a'"):
        enter(tmp_path, "b", {"name": "gammapo"}, text="[1]")


def test_another_setting_is_not_another_loss(tmp_path):
    enter(tmp_path, "a", {"name": "gammapo", "beta": 2.5})
    with pytest.raises(InputError, match="another setting"):
        enter(tmp_path, "b", {"name": "gammapo", "beta": 10, "allowance": 0.5, "per_token": True})


def test_the_three_shipped_recipes_are_three_losses(tmp_path):
    for name in ("gammapo", "gamma_simpo", "gammapo_dpo"):
        recipe = load_recipe(RECIPES / f"{name}.yaml")
        entered = enter(tmp_path, name, recipe.loss)
    assert len(entered) == 3


def test_an_unfinished_run_is_no_submission(tmp_path):
    with pytest.raises(InputError, match="not finished"):
        enter(tmp_path, "a", {"name": "gammapo"}, status="started")


@pytest.mark.parametrize(
    "content", ["[]", '{"status": "done"}', '{"status": "done", "recipe": {"loss": {}}}']
)
def test_a_run_json_of_something_else_is_no_submission(tmp_path, content):
    enter(tmp_path, "a", {"name": "gammapo"})
    (tmp_path / "a/run.json").write_text(content)
    with pytest.raises(InputError, match="run.json: --run: is of no run of gammapo"):
        finished_note(tmp_path / "a", field="--run")


@pytest.mark.parametrize(
    ("change", "field"),
    [({"lc": "high"}, "1.lc"), ({"loss": "gammapo"}, "1.loss"), ({"mine": 1}, "1.mine"), (None, "1")],
)
def test_a_damaged_ledger_is_named(tmp_path, change, field):
    enter(tmp_path, "a", {"name": "gammapo"})
    ledger = tmp_path / "ledger.json"
    (row,) = json.loads(ledger.read_text())
    ledger.write_text(json.dumps([None if change is None else row | change]))
    with pytest.raises(InputError, match=f"ledger.json: {field}: not a ledger of submissions"):
        read_ledger(ledger)


@pytest.mark.parametrize("loss", [{}, {"name": "gone"}])
def test_a_ledger_with_a_loss_that_is_not_known_is_named(tmp_path, loss):
    enter(tmp_path, "a", {"name": "gammapo"})
    ledger = tmp_path / "ledger.json"
    (row,) = json.loads(ledger.read_text())
    ledger.write_text(json.dumps([row | {"loss": loss}]))
    with pytest.raises(InputError, match="ledger.json: loss: the submission 'a' names no loss"):
        enter(tmp_path, "b", {"name": "simpo"})
