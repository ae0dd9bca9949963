"""A model's shape is read from its config, and no code from beside it."""

import json

import pytest

from gammapo import planning
from gammapo.errors import InputError


def test_code_beside_a_config_is_neither_run_nor_asked_about(tmp_path, monkeypatch):
    maps = {"AutoConfig": "code.Config", "AutoModelForCausalLM": "code.Model"}
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "strange", "auto_map": maps}))
    (tmp_path / "code.py").write_text("raise SystemExit('code was run')")
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("asked at the terminal"))
    with pytest.raises(InputError, match="no model config can be read: it needs code from beside") as told:
        planning.load_shape(str(tmp_path))
    assert told.value.file == str(tmp_path)
