"""docs/robustness.md says what the results in benchmarks/results say."""

import importlib.util
from pathlib import Path

ROOT = Path(__file__).parents[2]


def script():
    spec = importlib.util.spec_from_file_location("robustness", ROOT / "docs" / "figures" / "robustness.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_its_tables_are_those_of_the_results():
    page = (ROOT / "docs" / "robustness.md").read_text(encoding="utf-8")
    assert script().fill(page, script().tables()) == page


def test_its_pictures_exist():
    page = (ROOT / "docs" / "robustness.md").read_text(encoding="utf-8")
    for name in ("curves", "rates", *script().GRIDS[1:]):
        assert f"(figures/robustness-{name}.svg)" in page
        assert (ROOT / "docs" / "figures" / f"robustness-{name}.svg").read_text().startswith("<svg")
