"""The docs are what the registry says."""

from pathlib import Path

import pytest

from gammapo import losses, registry
from gammapo.losses import describe

DOCS = Path(__file__).parents[2] / "docs"


def test_docs_are_current():
    assert (DOCS / "losses.md").read_text() == describe.markdown(), "run: python docs/figures/losses.py"


@pytest.mark.parametrize("family", describe.FAMILIES)
def test_every_family_has_a_chart(family):
    svg = (DOCS / describe.chart_file(family)).read_text()
    for loss in describe.by_family()[family]:
        assert loss.name in svg, "run: python docs/figures/losses.py"


def test_every_loss_is_in_a_known_family_and_in_the_docs():
    listed = {loss.name for found in describe.by_family().values() for loss in found}
    assert listed == set(registry.LOSSES)
    assert set(describe.by_family()) == set(describe.FAMILIES)
    for name in registry.LOSSES:
        assert f"\n### {name}\n" in describe.markdown()


def test_details_of_one_loss():
    row = describe.details(losses.create("gamma_simpo"))
    options = {item["name"]: item["default"] for item in row["options"]}
    assert options == {"beta": 10.0, "gamma": None, "gamma_beta_ratio": 0.3, "tau": 3.0, "group_size": 256}
    assert (row["needs"], row["uses"], row["couples"], row["remembers"]) == (["lengths"], [], True, True)
