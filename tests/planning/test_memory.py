"""Memory parts by hand, and a layer's activations against what autograd really keeps."""

import pytest
import torch

from gammapo.errors import InputError
from gammapo.planning.memory import GIB, Setting, estimate_memory, layer_bytes
from gammapo.planning.shape import shape_of

HALF_SHARD = {"tokens": 1000, "scored": 600, "checkpointing": True}


@pytest.fixture(scope="module")
def qwen():
    """Qwen2.5-7B's shape as its config.json states it."""
    from transformers import Qwen2Config

    return shape_of(
        Qwen2Config(
            hidden_size=3584,
            intermediate_size=18944,
            num_hidden_layers=28,
            num_attention_heads=28,
            num_key_value_heads=4,
            vocab_size=152064,
            tie_word_embeddings=False,
        )
    )


def test_shape_from_the_config_alone(qwen):
    assert qwen.parameters == 7_615_616_512  # as the model's card states
    assert qwen.body == qwen.parameters - 2 * 152064 * 3584
    # q 3584→3584, k and v 3584→512, o 3584→3584; gate, up and down between 3584 and 18944; 28 layers
    assert qwen.linear_width == 28 * (2 * 7168 + 2 * 4096 + 3 * (3584 + 18944))


@pytest.mark.parametrize(("engine", "width"), [("fsdp2", 4 + 4 + 8), ("zero3", 2 + 4 + 4 + 8)])
def test_bytes_a_parameter_over_all_gpus(qwen, engine, width):
    """Weights, gradients and two moments in float32; ZeRO-3 has a bfloat16 copy of the weights as well."""
    for gpus in (4, 8):
        memory = estimate_memory(qwen, Setting(gpus=gpus, engine=engine, **HALF_SHARD))
        states = memory.weights + memory.gradients + memory.optimiser
        assert states * gpus == pytest.approx(width * qwen.parameters)
    whole = estimate_memory(qwen, Setting(gpus=8, engine="ddp", **HALF_SHARD))
    assert whole.weights == 4 * qwen.parameters


def test_full_7b_needs_several_gpus_and_adapters_need_one(qwen):
    full = estimate_memory(qwen, Setting(gpus=1, engine="zero3", **HALF_SHARD))
    adapters = Setting(gpus=1, engine="zero3", lora_rank=16, weights_dtype="bfloat16", **HALF_SHARD)
    assert full.total > 80 * GIB
    assert estimate_memory(qwen, adapters).total < 24 * GIB


def test_gradients_on_their_way_to_the_sum_are_the_heads(qwen):
    head, edges = 152064 * 3584, 2 * 152064 * 3584
    gathered = 2 * (edges + 2 * qwen.body / 28)  # bfloat16: embeddings, head and two layers
    fsdp2, zero3 = (
        estimate_memory(qwen, Setting(gpus=8, engine=engine, **HALF_SHARD)) for engine in ("fsdp2", "zero3")
    )
    assert fsdp2.gathered == pytest.approx(gathered + 4 * head)
    assert zero3.gathered == pytest.approx(gathered + 4 * head + 2 * 5e8), "and DeepSpeed's bucket of 5e8"


@pytest.mark.parametrize("heads", [(4, 4), (8, 2)])
def test_a_layers_activations_are_what_autograd_keeps(heads):
    """Two depths of one model in bfloat16: the difference of their saved bytes is one layer's."""
    from transformers import Qwen2Config, Qwen2ForCausalLM

    tokens, kept = 64, []
    settings = {
        "hidden_size": 128,
        "intermediate_size": 512,
        "num_attention_heads": heads[0],
        "num_key_value_heads": heads[1],
        "vocab_size": 64,
        "tie_word_embeddings": False,
    }
    for layers in (1, 2):
        torch.manual_seed(0)
        model = Qwen2ForCausalLM(Qwen2Config(num_hidden_layers=layers, **settings)).bfloat16().train()
        weights = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
        seen: dict[int, int] = {}

        def pack(tensor, seen=seen, weights=weights):
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in weights:
                seen[storage.data_ptr()] = storage.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            out = model(torch.arange(tokens)[None] % 64, use_cache=False).logits.sum()
        kept.append(sum(seen.values()))
        del out
    shape = shape_of(Qwen2Config(num_hidden_layers=1, **settings))
    assert layer_bytes(shape) * tokens == pytest.approx(kept[1] - kept[0], rel=0.2)


def test_ddps_buckets_hold_the_gradients_again(qwen):
    def extra(**more):
        one, two = (
            estimate_memory(qwen, Setting(gpus=gpus, engine="ddp", **(HALF_SHARD | more))) for gpus in (1, 2)
        )
        return two.total - one.total

    assert extra() == pytest.approx(4 * qwen.parameters)
    assert extra(lora_rank=16, weights_dtype="bfloat16") == pytest.approx(4 * 16 * qwen.linear_width)


def test_of_experts_only_those_that_a_token_passes_count():
    """Mixtral: 8 experts of three maps 64 × 96, 2 a token; router 64 × 8; attention 4 heads, 2 of them kv."""
    from transformers import MixtralConfig

    shape = shape_of(
        MixtralConfig(
            hidden_size=64,
            intermediate_size=96,
            num_hidden_layers=3,
            num_attention_heads=4,
            num_key_value_heads=2,
            vocab_size=100,
            num_local_experts=8,
            num_experts_per_tok=2,
        )
    )
    around = 64 * 64 * 2 + 64 * 32 * 2 + 64 * 8 + 2 * 64  # attention, router, two norms
    assert shape.body == 3 * (around + 8 * 3 * 64 * 96) + 64  # and the last norm
    assert shape.active == 3 * (around + 2 * 3 * 64 * 96) + 64
    assert shape.intermediate == 2 * 96


def test_shapes_that_name_their_width_otherwise():
    from transformers import GPT2Config, MambaConfig, OPTConfig

    small = {"num_hidden_layers": 1, "hidden_size": 64, "num_attention_heads": 4, "vocab_size": 100}
    gpt2 = shape_of(GPT2Config(n_layer=1, n_embd=64, n_head=4, vocab_size=100))
    opt = shape_of(OPTConfig(ffn_dim=160, word_embed_proj_dim=64, **small))
    assert (gpt2.intermediate, gpt2.active, opt.intermediate) == (256, gpt2.body, 160)
    with pytest.raises(InputError, match="MambaConfig states no attention heads"):
        shape_of(MambaConfig(num_hidden_layers=1, hidden_size=64, vocab_size=100))
