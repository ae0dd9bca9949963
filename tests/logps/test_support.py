"""A model that cannot take the shared path falls back with one warning, never to wrong numbers."""

import warnings

import pytest
import torch
from logps_families import SIZES, make_model, make_pairs

from gammapo.errors import InputError
from gammapo.logps import pair_logps
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


LONG = make_pairs((30, 9, 14), (3, 1, 4))  # beyond what the probe reads


def test_a_window_that_only_the_mask_has_falls_back():
    """It is wider than the probe's pairs, so that only the model's silence about it can tell."""
    from transformers import PhimoeConfig, PhimoeForCausalLM

    torch.manual_seed(0)
    sizes = {k: v for k, v in SIZES.items() if k != "head_dim"}
    model = PhimoeForCausalLM(PhimoeConfig(**sizes, sliding_window=20, num_local_experts=2)).eval()
    with pytest.warns(UserWarning, match="sliding_window, which its mask alone has"):
        found = pair_logps(model, LONG).rejected[0]
    expected = sequence_logps(model, LONG[0].prompt, LONG[0].rejected).sum()
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_latent_attention_takes_the_shared_path():
    """Keys of 10 and values of 6 a head."""
    from transformers import DeepseekV3Config, DeepseekV3ForCausalLM

    torch.manual_seed(0)
    latent = {"q_lora_rank": 8, "kv_lora_rank": 8, "qk_nope_head_dim": 6, "qk_rope_head_dim": 4}
    sizes = {**SIZES, **latent, "head_dim": 4, "v_head_dim": 6, "num_key_value_heads": 4}
    model = DeepseekV3ForCausalLM(DeepseekV3Config(**sizes, first_k_dense_replace=2)).eval()
    found = pair_logps(model, LONG, path="shared").rejected[0]
    expected = sequence_logps(model, LONG[0].prompt, LONG[0].rejected).sum()
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("asked", [False, True])
def test_routers_whose_loss_the_config_asks_for_take_the_shared_path_too(asked):
    from transformers import MixtralConfig, MixtralForCausalLM

    torch.manual_seed(0)
    config = MixtralConfig(**SIZES, num_local_experts=3, output_router_logits=asked)
    model = MixtralForCausalLM(config).eval()
    found = pair_logps(model, LONG, path="shared").rejected[0]
    expected = sequence_logps(model, LONG[0].prompt, LONG[0].rejected).sum()
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-4)


def test_whatever_the_probe_meets_the_padded_path_is_taken():
    model = make_model("llama", dtype=torch.float32)

    def refuse(module, args, kwargs):
        if kwargs.get("pair_segments") is not None:
            raise KeyError("pair_segments")

    model.model.layers[0].self_attn.register_forward_pre_hook(refuse, with_kwargs=True)
    assert_falls_back_exactly(model, "pair attention failed on it .KeyError")


def test_another_type_is_probed_anew():
    model = make_model("llama", dtype=torch.float32)
    calls = []
    model.register_forward_hook(lambda *_: calls.append(1))
    for _ in range(2):
        assert prepare(model) is None
    with torch.autocast("cpu", torch.bfloat16):
        assert prepare(model) is None
    assert len(calls) == 4
    assert prepare(model) is None
    assert prepare(model.to(torch.bfloat16)) is None
    assert len(calls) == 8


def test_an_encoder_decoder_is_refused():
    from transformers import T5Config, T5ForConditionalGeneration

    config = T5Config(vocab_size=97, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2)
    with pytest.raises(InputError, match="encoder-decoder"):
        pair_logps(T5ForConditionalGeneration(config), PAIRS)


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
