"""A model that cannot take the shared path falls back with one warning, never to wrong numbers."""

import warnings

import pytest
import torch
from logps_families import SIZES, make_model, make_pairs

from gammapo.errors import InputError
from gammapo.logps import pair_logps, support
from gammapo.logps.one_at_a_time import sequence_logps
from gammapo.logps.support import prepare

PAIRS = make_pairs((7, 5, 9), (3, 1, 4))


class TokenShift(torch.nn.Module):
    """Mixes each token with the one before it in the row: harmless to a plain sequence, wrong when packed."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(0.5 * x + 0.5 * torch.nn.functional.pad(x, (0, 0, 1, 0))[:, :-1])


def assert_falls_back_exactly(model, reason):
    implementation = model.config._attn_implementation
    with pytest.warns(UserWarning, match=reason):
        found = pair_logps(model, PAIRS)
    for i, pair in enumerate(PAIRS):
        expected = sequence_logps(model, pair.prompt, pair.chosen).sum()
        torch.testing.assert_close(found.chosen[i], expected, rtol=1e-4, atol=1e-4)
    assert model.config._attn_implementation == implementation
    with pytest.raises(InputError, match="shared path cannot be taken"):
        pair_logps(model, PAIRS, path="shared")


def test_a_hidden_token_mixer_is_caught_by_the_probe():
    model = make_model("llama", dtype=torch.float32)
    model.model.layers[1].mlp = TokenShift(model.model.layers[1].mlp)
    assert_falls_back_exactly(model, "a probe gave log-probs")


def test_a_state_space_model_falls_back():
    from transformers import MambaConfig, MambaForCausalLM

    torch.manual_seed(0)
    config = MambaConfig(vocab_size=97, hidden_size=16, num_hidden_layers=1, state_size=4, pad_token_id=0)
    model = MambaForCausalLM(config).eval()
    model.config._attn_implementation = "eager"
    assert_falls_back_exactly(model, "recurrent state")


def test_attention_sinks_fall_back():
    from transformers import GptOssConfig, GptOssForCausalLM

    torch.manual_seed(0)
    sizes = {**SIZES, "num_local_experts": 2, "num_experts_per_tok": 1, "attn_implementation": "eager"}
    model = GptOssForCausalLM(GptOssConfig(**sizes)).eval()
    assert_falls_back_exactly(model, "s_aux")


@pytest.mark.parametrize("scale", ["logits_scaling"])
def test_a_model_that_rescales_its_logits_is_exact(scale):
    from transformers import GraniteConfig, GraniteForCausalLM

    torch.manual_seed(0)
    sizes = {k: v for k, v in SIZES.items() if k != "head_dim"}
    model = GraniteForCausalLM(GraniteConfig(**sizes, **{scale: 3.0})).double().eval()
    assert prepare(model) is None
    found = pair_logps(model, PAIRS, path="shared").rejected[0]
    torch.testing.assert_close(found, sequence_logps(model, PAIRS[0].prompt, PAIRS[0].rejected).sum())


def test_the_probe_runs_once_and_leaves_modes_as_they_were():
    model = make_model("llama", dtype=torch.float32)
    model.model.layers[0].eval()
    calls = []
    model.register_forward_hook(lambda *_: calls.append(1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert prepare(model) is None
        assert prepare(model) is None
    assert len(calls) == 2
    assert model.training
    assert model.model.layers[1].training
    assert not model.model.layers[0].training


def test_bfloat16_passes_the_probe():
    assert prepare(make_model("llama", dtype=torch.bfloat16)) is None


def test_virtual_tokens_of_an_adapter_take_the_padded_path():
    from peft import PromptTuningConfig, get_peft_model

    base = make_model("llama", dtype=torch.float32)
    model = get_peft_model(base, PromptTuningConfig(num_virtual_tokens=3, task_type="CAUSAL_LM")).eval()
    with pytest.warns(UserWarning, match="virtual tokens"):
        found = pair_logps(model, PAIRS).chosen
    pair = PAIRS[1]
    ids = torch.tensor([[*pair.prompt, *pair.chosen]])
    logits = model(input_ids=ids).logits[0, 3:]  # the virtual tokens come first
    expected = logits.log_softmax(-1)[len(pair.prompt) - 1, pair.chosen[0]]
    torch.testing.assert_close(found[1], expected, rtol=1e-4, atol=1e-4)


def test_an_encoder_decoder_is_refused():
    from transformers import T5Config, T5ForConditionalGeneration

    config = T5Config(vocab_size=97, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2)
    with pytest.raises(InputError, match="encoder-decoder"):
        pair_logps(T5ForConditionalGeneration(config), PAIRS)


@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
def test_latent_attention_whose_values_are_wider_than_its_keys_is_exact(implementation):
    """MLA, arXiv:2405.04434: no kernel here takes heads of two widths but PyTorch's own."""
    from transformers import DeepseekV3Config, DeepseekV3ForCausalLM

    torch.manual_seed(0)
    latent = {
        "q_lora_rank": 8,
        "kv_lora_rank": 8,
        "qk_rope_head_dim": 4,
        "qk_nope_head_dim": 6,
        "v_head_dim": 8,
    }
    experts = {"n_routed_experts": 4, "n_shared_experts": 1, "moe_intermediate_size": 16, "n_group": 1}
    sizes = {**SIZES, "num_key_value_heads": SIZES["num_attention_heads"], **latent, **experts}
    del sizes["head_dim"]
    config = DeepseekV3Config(
        **sizes,
        num_experts_per_tok=2,
        topk_group=1,
        first_k_dense_replace=1,
        attn_implementation=implementation,
    )
    model = DeepseekV3ForCausalLM(config).eval()
    assert prepare(model) is None
    found = pair_logps(model, PAIRS, path="shared")
    for i, pair in enumerate(PAIRS):
        expected = sequence_logps(model, pair.prompt, pair.chosen).sum()
        torch.testing.assert_close(found.chosen[i], expected, rtol=1e-4, atol=1e-4)


def test_a_model_that_views_its_attention_is_exact():
    from transformers import AfmoeConfig, AfmoeForCausalLM

    torch.manual_seed(0)
    experts = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16, "num_dense_layers": 1}
    model = AfmoeForCausalLM(AfmoeConfig(**{**SIZES, "sliding_window": 5, **experts})).eval()
    assert prepare(model) is None
    found = pair_logps(model, PAIRS, path="shared").chosen[0]
    expected = sequence_logps(model, PAIRS[0].prompt, PAIRS[0].chosen).sum()
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def bert(**options):
    from transformers import BertConfig, BertLMHeadModel

    torch.manual_seed(0)
    sizes = {"hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 4}
    return BertLMHeadModel(BertConfig(vocab_size=97, **sizes, initializer_range=0.3, **options)).eval()


def test_an_encoder_gets_no_log_probs_of_tokens_that_it_sees():
    with pytest.raises(InputError, match="BertLMHeadModel looks ahead.*set is_decoder"):
        pair_logps(bert(), PAIRS)
    model = bert(is_decoder=True)
    found = pair_logps(model, PAIRS).chosen[0]
    expected = sequence_logps(model, PAIRS[0].prompt, PAIRS[0].chosen).sum()
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_a_class_of_ones_own_finds_the_eager_attention_of_its_family():
    model = make_model("llama", dtype=torch.float32)
    model.set_attn_implementation("eager")
    kind = type(model.model.layers[0].self_attn)
    model.model.layers[0].self_attn.__class__ = type("Mine", (kind,), {"__module__": __name__})
    assert prepare(model) is None
    ids = torch.tensor([[1, 5, 9]])
    assert torch.isfinite(model(ids).logits).all()  # without pairs the model's own attention runs


def test_a_model_is_asked_again_in_another_type(monkeypatch):
    model = make_model("llama", dtype=torch.float32)
    assert prepare(model) is None
    monkeypatch.setattr(support, "_probe", lambda *_: "this type has another kernel")
    assert prepare(model) is None
    assert prepare(model.double()) == "this type has another kernel"
