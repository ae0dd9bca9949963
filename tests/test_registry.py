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


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("def f(:\n", r"SyntaxError: .*their_module\.py, line 1"),
        ("raise RuntimeError('not today')", "RuntimeError: not today"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("import no_such_package", "No module named 'no_such_package'"),
        ("", "module 'their_module' has no attribute 'SPEC'"),
    ],
)
def test_what_a_users_module_raises_is_said(content, reason, tmp_path, monkeypatch):
    (tmp_path / "their_module.py").write_text(content)
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    try:
        with pytest.raises(InputError, match=f"noise: cannot load 'their_module:SPEC': {reason}"):
            registry.resolve("noise", "their_module:SPEC")
    finally:
        sys.modules.pop("their_module", None)


@pytest.mark.parametrize("name", [":x", "x:", ":", ".x:y"])
def test_half_a_name_is_refused(name):
    with pytest.raises(InputError, match=f"cannot load {name!r}"):
        registry.resolve("loss", name)


def test_a_package_that_breaks_is_named(installed_package, tmp_path):
    (tmp_path / "their_losses.py").write_text("raise RuntimeError('not today')")
    with pytest.raises(InputError, match="cannot load 'their_simpo': RuntimeError: not today"):
        registry.resolve("loss", "their_simpo")
