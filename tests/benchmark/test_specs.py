"""The runs of a grid, and the names that their results go by."""

from gammapo.benchmark import specs as module
from gammapo.benchmark.grid import parse_grid
from gammapo.benchmark.specs import key_of, specs

RAW = {
    "worlds": [{"name": "softmax", "correlation": 0.6}],
    "losses": {"simpo": {}, "wide": {"loss": "simpo", "beta": 10, "learning_rate": 0.5}},
    "noise": [{"kind": "symmetric", "rates": [0, 0.2]}, {"kind": "confident", "rates": [0.4]}],
    "seeds": [3, 5],
}


def test_runs_are_the_product_seed_by_seed_with_one_clean_condition():
    found = specs(parse_grid(RAW))
    assert len(found) == 2 * 3 * 2
    assert [spec["seed"] for spec in found] == [3] * 6 + [5] * 6
    assert {(spec["noise"]["kind"], spec["noise"]["rate"]) for spec in found} == {
        ("clean", 0.0),
        ("symmetric", 0.2),
        ("confident", 0.4),
    }
    wide = [spec for spec in found if spec["loss"]["as"] == "wide"]
    assert all(spec["loss"]["options"] == {"beta": 10} for spec in wide)
    assert all(spec["training"]["learning_rate"] == 0.5 for spec in wide)


def test_the_key_knows_what_decides_a_run_and_not_its_names():
    first, *_ = specs(parse_grid(RAW))
    renamed = {**first, "loss": {**first["loss"], "as": "another"}, "world": {**first["world"], "as": "w"}}
    assert key_of(renamed) == key_of(first)
    for change in ({"seed": 4}, {"pairs": 10}, {"code": "0"}, {"scores": "gold"}):
        assert key_of({**first, **change}) != key_of(first)


def test_tuned_values_override_the_grid():
    tuned = {"simpo": {"training": {"learning_rate": 0.7, "epochs": 2}, "options": {"beta": 5.0}}}
    found = [spec for spec in specs(parse_grid(RAW), tuned) if spec["loss"]["as"] == "simpo"]
    assert all(spec["training"]["epochs"] == 2 and spec["loss"]["options"] == {"beta": 5.0} for spec in found)


def test_the_code_of_an_installed_packages_loss_plays_a_part_in_the_key(tmp_path, monkeypatch):
    """An entry point gives an instance of our own class, whose module is ours and never changes."""
    package = tmp_path / "theirs-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text("[gammapo.loss]\ntheirs = their_loss:SPEC\n")
    (tmp_path / "their_loss.py").write_text("from gammapo.losses.simpo import SPEC\n")
    monkeypatch.syspath_prepend(tmp_path)
    module._installed.cache_clear()
    try:
        assert module._module("loss", "theirs") == "their_loss"
        assert specs(parse_grid({**RAW, "losses": {"theirs": {}}}))
    finally:
        module._installed.cache_clear()
    assert module._module("loss", "simpo") == "gammapo.losses.simpo"
    assert module._module("loss", "own_losses:SPEC") == "own_losses"
