"""The shared path is exact: log-probs, loss and every gradient equal one forward pass an answer.

float64 leaves no room for "close enough": a wrong mask, position or boundary shows at 1e-2, rounding at
1e-13 (at 1e-6 for Gemma, whose eager softmax is float32 whatever the model is). float32 is tested at the
tolerance promised to users, 1e-5.
"""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from logps_families import MAKERS, make_model, make_pairs

from gammapo.logps import pair_logps
from gammapo.logps.head import HeadOptions
from gammapo.logps.one_at_a_time import sequence_logps
from gammapo.logps.shared import shared_logps
from gammapo.logps.support import prepare

RAGGED = ((7, 5, 9), (30, 1, 14), (2, 12, 1), (1, 1, 1), (11, 3, 3))


def simpo_like(chosen, rejected, pairs):
    """A loss whose gradient differs per pair and side: per-token averages, a target margin per pair."""
    c = chosen / chosen.new_tensor([len(p.chosen) for p in pairs])
    r = rejected / rejected.new_tensor([len(p.rejected) for p in pairs])
    margins = torch.linspace(0.1, 1.0, len(pairs), dtype=c.dtype)
    return -torch.nn.functional.logsigmoid(2 * (c - r) - margins).mean()


def truth(model, pairs):
    """Sums, loss and gradients by one pass an answer, in the model's original attention."""
    model.zero_grad()
    chosen = torch.stack([sequence_logps(model, p.prompt, p.chosen).sum() for p in pairs])
    rejected = torch.stack([sequence_logps(model, p.prompt, p.rejected).sum() for p in pairs])
    loss = simpo_like(chosen, rejected, pairs)
    loss.backward()
    return chosen.detach(), rejected.detach(), loss.detach(), gradients(model)


def gradients(model):
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def assert_exact(model, pairs, tolerance=None, head=None):
    if tolerance is None:
        tolerance = 1e-5 if "Gemma" in type(model).__name__ else 1e-10
    expected = truth(model, pairs)
    assert prepare(model) is None
    model.zero_grad()
    chosen, rejected = shared_logps(model, pairs, head)
    loss = simpo_like(chosen, rejected, pairs)
    loss.backward()
    close = {"rtol": tolerance, "atol": tolerance}
    torch.testing.assert_close(chosen, expected[0], **close)
    torch.testing.assert_close(rejected, expected[1], **close)
    torch.testing.assert_close(loss, expected[2], **close)
    found = gradients(model)
    assert found.keys() == expected[3].keys()
    for name, gradient in expected[3].items():
        torch.testing.assert_close(found[name], gradient, **close, msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("family", MAKERS)
def test_every_family_is_exact(family, tied):
    assert_exact(make_model(family, tied=tied), make_pairs(*RAGGED))


@pytest.mark.parametrize("family", MAKERS)
def test_float32_keeps_the_promised_tolerance(family):
    assert_exact(make_model(family, dtype=torch.float32), make_pairs(*RAGGED), 1e-5)


@pytest.mark.parametrize("reentrant", [False, True])
@pytest.mark.parametrize("family", MAKERS)
def test_activation_checkpointing_recomputes_the_same(family, reentrant):
    model = make_model(family)
    model.gradient_checkpointing_enable({"use_reentrant": reentrant})
    if reentrant:
        model.enable_input_require_grads()
    assert_exact(model, make_pairs(*RAGGED))


def test_two_models_and_two_batches_may_be_open_at_once():
    """Forward, forward, backward, backward, with checkpointing: the second forward of another layout must
    not change what the first recomputes."""
    first, second = make_pairs((9, 4, 6)), make_pairs((3, 8, 2), (5, 1, 7), seed=1)
    model = make_model("mistral")
    expected = [truth(model, pairs)[3] for pairs in (first, second)]
    model.gradient_checkpointing_enable({"use_reentrant": False})
    prepare(model)
    losses = [simpo_like(*shared_logps(model, pairs), pairs) for pairs in (first, second)]
    for loss, gradient in zip(losses, expected, strict=True):
        model.zero_grad()
        loss.backward()
        for name, value in gradients(model).items():
            torch.testing.assert_close(value, gradient[name], rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("keep_bytes", [0, 1 << 30])
@pytest.mark.parametrize("tile", [1, 13, 96, 97, 500])
def test_any_chunk_of_the_head_is_exact(tile, keep_bytes):
    for family in ("llama", "gemma2"):
        model = make_model(family, tied=tile % 2 == 0)
        assert_exact(model, make_pairs(*RAGGED[:3]), head=HeadOptions(tile=tile, keep_bytes=keep_bytes))


LENGTHS = st.tuples(st.integers(1, 40), st.integers(1, 20), st.integers(1, 20))


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.sampled_from(sorted(MAKERS)), st.lists(LENGTHS, min_size=1, max_size=4), st.integers(0, 10))
def test_any_lengths_are_exact(family, lengths, seed):
    assert_exact(make_model(family, tied=seed % 2 == 0), make_pairs(*lengths, seed=seed))


def test_lora_over_a_frozen_base_is_exact():
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(r=2, target_modules="all-linear", init_lora_weights=False, task_type="CAUSAL_LM")
    model = get_peft_model(make_model("qwen2"), config).double()
    assert_exact(model, make_pairs(*RAGGED), head=HeadOptions(tile=10, keep_bytes=0))


def test_an_adapter_on_the_head_itself_is_exact():
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(r=2, target_modules=["q_proj", "lm_head"], init_lora_weights=False)
    assert_exact(get_peft_model(make_model("llama"), config).double(), make_pairs(*RAGGED))


def test_the_soft_cap_is_back_in_the_config_after_a_call_and_after_a_failure():
    model = make_model("gemma2")
    prepare(model)
    shared_logps(model, make_pairs((3, 2, 2)))
    assert model.config.final_logit_softcapping == 3.0
    with pytest.raises(IndexError):
        shared_logps(
            model, [type(make_pairs((1, 1, 1))[0])(id="x", prompt=(9999,), chosen=(1,), rejected=(2,))]
        )
    assert model.config.final_logit_softcapping == 3.0
    assert "forward" not in vars(model.lm_head)


def test_useful_tokens_only():
    """The model reads P + C + R − 2 tokens a pair, and the head scores C + R."""
    model, seen = make_model("llama"), {}
    prepare(model)
    model.model.layers[0].register_forward_pre_hook(lambda m, args: seen.update(read=args[0].shape[1]))
    model.lm_head.register_forward_pre_hook(lambda m, args: seen.update(scored=args[0].shape[1]))
    pair_logps(model, make_pairs((7, 5, 9), (30, 1, 14)))
    assert seen == {"read": (7 + 5 + 9 - 2) + (30 + 1 + 14 - 2), "scored": 14 + 15}
