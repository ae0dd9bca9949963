"""Names, hints, and components that other packages bring."""

import importlib
import sys

import pytest

from gammapo import losses, registry
from gammapo.errors import InputError


@pytest.fixture
def installed_package(tmp_path, monkeypatch):
    """A package on sys.path whose metadata declares a loss, as pip would leave it."""
    (tmp_path / "their_losses.py").write_text(
        "from dataclasses import replace\n"
        "from gammapo.losses.simpo import SPEC as SIMPO\n"
        "SPEC = replace(SIMPO, name='their_simpo', notes='from outside')\n"
    )
    meta = tmp_path / "their_losses-1.0.dist-info"
    meta.mkdir()
    (meta / "METADATA").write_text("Metadata-Version: 2.1\nName: their-losses\nVersion: 1.0\n")
    (meta / "entry_points.txt").write_text("[gammapo.loss]\ntheir_simpo = their_losses:SPEC\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    yield
    sys.modules.pop("their_losses", None)


def test_an_entry_point_is_listed_and_made(installed_package):
    assert "their_simpo" in losses.names()
    assert losses.create("their_simpo", beta=3.0).spec.notes == "from outside"


def test_without_the_package_it_is_unknown():
    assert "their_simpo" not in losses.names()
    with pytest.raises(InputError, match="unknown loss"):
        losses.create("their_simpo")


@pytest.mark.parametrize("kind", sorted(registry.TABLES))
def test_every_name_loads(kind):
    for name in registry.TABLES[kind]:
        assert registry.resolve(kind, name) is not None


def test_unknown_names_come_with_the_nearest():
    with pytest.raises(InputError, match="'gamma_simpo'"):
        registry.resolve("loss", "gama_simpo")


def test_a_module_that_cannot_be_imported_is_named():
    with pytest.raises(InputError, match="cannot load 'no_such_module:SPEC'"):
        registry.resolve("loss", "no_such_module:SPEC")
