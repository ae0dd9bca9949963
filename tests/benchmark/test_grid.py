from pathlib import Path

import pytest

from gammapo import losses
from gammapo.benchmark.grid import load_grid, parse_grid
from gammapo.benchmark.specs import specs
from gammapo.benchmark.tuning import own_options
from gammapo.errors import InputError

GRIDS = Path(__file__).parents[2] / "benchmarks" / "grids"
RAW = {
    "worlds": [{"name": "softmax", "correlation": 0.6}],
    "losses": {"simpo": {}, "wide": {"loss": "simpo", "beta": 10, "learning_rate": 0.5}},
    "noise": [{"kind": "symmetric", "rates": [0, 0.2]}, {"kind": "confident", "rates": [0.4]}],
    "seeds": [3, 5],
}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sedes": 3}, ["sedes", "seeds"]),
        ({"losses": {"simop": {}}}, ["simop", "simpo"]),
        ({"losses": {"simpo": {"betta": 1}}}, ["betta", "beta"]),
        ({"noise": [{"kind": "symmetrical", "rates": [0.1]}]}, ["symmetrical", "symmetric"]),
        ({"noise": [{"kind": "symmetric", "rates": [1.4]}]}, ["rates", "0 to 1"]),
        ({"noise": [{"kind": "symmetric", "rates": [0.1], "options": {"x": 1}}]}, ["no option 'x'"]),
        ({"worlds": [{"name": "tinny"}]}, ["tinny", "tiny"]),
        ({"worlds": [{"name": "softmax"}, {"name": "softmax"}]}, ["one name"]),
        ({"worlds": [{"name": "softmax", "corelation": 0.3}]}, ["corelation", "correlation"]),
        ({"seeds": []}, ["seeds"]),
        ({"seeds": [3, 3]}, ["seeds: 3 stands twice"]),
        ({"seeds": [-1]}, ["seeds: got -1"]),
        ({"baseline": "simop"}, ["baseline", "simop", "simpo"]),
        ({"noise": [{"kind": "symmetric", "rates": [0.2, 0.2]}]}, ["symmetric at rate 0.2 stands twice"]),
        (
            {
                "noise": [
                    {"kind": "annotator_mix", "rates": [0.2]},
                    {"kind": "annotator_mix", "rates": [0.2], "options": {"annotators": 3}},
                ]
            },
            ["noise", "annotator_mix at rate 0.2 stands twice"],
        ),
        ({"losses": {"simpo": {"learning_rate": float("nan")}}}, ["losses.simpo.learning_rate", "finite"]),
        ({"losses": {"simpo": {"learning_rate": -1.0}}}, ["losses.simpo.learning_rate", "greater than 0"]),
        ({"training": {"learning_rate": float("inf")}}, ["training.learning_rate", "finite"]),
        ({"tune": {"learning_rates": [0.0]}}, ["tune.learning_rates", "greater than 0"]),
        ({"tune": {"learning_rates": [1e-3], "epochs": []}}, ["tune.epochs", "at least 1"]),
        ({"tune": {"learning_rates": [1e-3], "seeds": [7, 7]}}, ["tune.seeds: 7 stands twice"]),
        ({"tune": {"learning_rates": [1e-3], "knobs": {"simpo": {"beta": []}}}}, ["beta", "lists no value"]),
        ({"tune": {"seeds": [1000, 5], "learning_rates": [1e-3]}}, ["tune.seeds", "[5]"]),
        ({"tune": {"learning_rates": [1e-3], "knobs": {"simpo": {"bet": [1]}}}}, ["bet", "beta"]),
    ],
)
def test_bad_grids_are_refused_with_the_nearest_name(change, words):
    with pytest.raises(InputError) as error:
        parse_grid({**RAW, **change}, file="grid.yaml")
    assert str(error.value).startswith("grid.yaml: ")
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize(
    ("change", "baseline"),
    [
        ({}, "simpo"),
        ({"losses": {"dpo": {}, "ropo": {}}}, "dpo"),
        ({"losses": {"dpo": {}, "ropo": {}}, "baseline": "ropo"}, "ropo"),
    ],
)
def test_losses_are_compared_with_simpo_or_else_the_first(change, baseline):
    assert parse_grid({**RAW, **change}).baseline == baseline


def test_broken_yaml_names_file_and_line(tmp_path):
    path = tmp_path / "grid.yaml"
    path.write_text("seeds: 3\nlosses: {simpo: {]\n")
    with pytest.raises(InputError, match=r"grid\.yaml:2"):
        load_grid(path)


@pytest.mark.parametrize("path", sorted(GRIDS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_grid_is_sound(path):
    """Its names and options exist, alone and in every combination that tuning may try."""
    shipped = load_grid(path)
    assert specs(shipped)
    for key, entry in shipped.losses.items():
        for options in own_options(shipped.tune, key, entry.options) if shipped.tune else []:
            losses.create(entry.loss or key, **{**entry.options, **options})
