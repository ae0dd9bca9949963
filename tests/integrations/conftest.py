import pytest
import yaml

from gammapo.integrations.configs import import_recipe


@pytest.fixture
def read(tmp_path):
    """`read(content, **options)`: the recipe imported from a file theirs.yaml of that content (or text)."""

    def write_and_import(content, **options):
        path = tmp_path / "theirs.yaml"
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
        return import_recipe(path, **options)

    return write_and_import
