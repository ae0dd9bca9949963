"""Log-probs on a GPU: bfloat16 against float32, and the shared path against the plain one."""

import importlib.util

import pytest
import torch
from tests.gpu.conftest import make_pairs

from gammapo import losses
from gammapo.logps import pair_logps

pytestmark = pytest.mark.gpu
FLASH = pytest.mark.skipif(
    importlib.util.find_spec("flash_attn") is None, reason="the package flash-attn is not installed"
)


def gradients(model, pairs, path):
    model.zero_grad()
    logps = pair_logps(model, pairs, path=path)
    out = losses.create("simpo", beta=10, gamma_beta_ratio=0.3)(logps)
    out.loss.backward()
    flat = torch.cat([weight.grad.float().flatten() for weight in model.parameters()])
    return out.reward_gaps.float(), flat


@pytest.mark.parametrize("attention", ["sdpa", pytest.param("flash_attention_2", marks=FLASH)])
def test_segments_give_the_plain_path_s_numbers(qwen, attention):
    model, pairs = qwen(attention=attention), make_pairs(8)
    shared, by_shared = gradients(model, pairs, "shared")
    plain, by_plain = gradients(model, pairs, "padded")
    assert torch.allclose(shared, plain, atol=0.05)
    cosine = torch.nn.functional.cosine_similarity(by_shared, by_plain, dim=0)
    assert cosine > 0.999


def test_bfloat16_is_float32_up_to_its_rounding(qwen):
    pairs = make_pairs(8)
    exact, by_exact = gradients(qwen(dtype=torch.float32), pairs, "shared")
    half, by_half = gradients(qwen(), pairs, "shared")
    assert torch.allclose(exact, half, atol=0.1)
    assert torch.nn.functional.cosine_similarity(by_exact, by_half, dim=0) > 0.99
