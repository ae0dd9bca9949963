"""The comparison with TRL's trainers, run for real on a CPU with a tiny model; its speed says nothing."""

import pytest
from tests.gpu.beside_trl import compare, save_random_qwen

pytest.importorskip("trl", reason="needs the package trl")


@pytest.mark.slow
@pytest.mark.parametrize(("trainer", "apart"), [("cpo", False), ("cpo", True), ("dpo", False)])
def test_both_sides_train_on_the_same_pairs(trainer, apart, smollm2, tmp_path):
    tiny = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    tiny |= {"num_attention_heads": 4, "num_key_value_heads": 2, "tie_word_embeddings": True}
    model = save_random_qwen(tmp_path / "model", **tiny)
    found = compare(model, trainer, steps=1, log=tmp_path / "log", apart=apart)
    assert found["parity"]["loss"] < 1e-5
    assert found["parity"]["gradient"] < 1e-4
    assert found["case"]["rival"] == trainer
    assert found["speedup"]["n"] == 1
    assert min(found["pairs_per_second"].values()) > 0
    assert 0 < found["padded_share_of_trl_tokens"] < 1
