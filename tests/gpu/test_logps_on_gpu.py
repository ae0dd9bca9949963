"""Log-probs on a GPU: bfloat16 against float32, and the shared path against the plain one."""

import importlib.util

import pytest
import torch
from tests.gpu.conftest import make_pairs

from gammapo import losses
from gammapo.logps import pair_logps
from gammapo.logps.fused_norm import fused_norm
from gammapo.logps.head import HeadOptions, token_logps
from gammapo.training import arguments as training_arguments

pytestmark = pytest.mark.gpu
FLASH = pytest.mark.skipif(
    importlib.util.find_spec("flash_attn") is None, reason="the package flash-attn is not installed"
)

LIGER = pytest.mark.skipif(
    importlib.util.find_spec("liger_kernel") is None, reason="the package liger-kernel is not installed"
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


@pytest.mark.parametrize("liger", [False, pytest.param(True, marks=LIGER)])
def test_autocast_over_float32_weights_gives_the_plain_path_s_numbers(qwen, liger):
    """With norms fused and rounded at once, and (if installed) Liger's feed-forward part and rotations."""
    model, pairs = qwen(dtype=torch.float32), make_pairs(8)
    with torch.autocast("cuda", torch.bfloat16):
        plain, by_plain = gradients(model, pairs, "padded")
    if liger:
        from transformers.integrations.liger import apply_liger_kernel

        apply_liger_kernel(model, training_arguments.LIGER)
    with torch.autocast("cuda", torch.bfloat16):
        shared, by_shared = gradients(model, pairs, "shared")
    assert torch.allclose(shared, plain, atol=0.05)
    assert torch.nn.functional.cosine_similarity(by_shared, by_plain, dim=0) > 0.999


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shifted", [False, True])
def test_the_fused_norm_is_the_norm(cuda, dtype, shifted):
    draw = torch.Generator(cuda).manual_seed(0)
    x = torch.randn(50, 256, generator=draw, device=cuda).to(dtype).requires_grad_()
    weight = (torch.randn(256, generator=draw, device=cuda) * 0.3 + 1).to(dtype).requires_grad_()
    upstream = torch.randn(50, 256, generator=draw, device=cuda)
    wide = x.detach().double().requires_grad_(), weight.detach().double().requires_grad_()
    scale = wide[1] + 1 if shifted else wide[1]
    expected = torch.nn.functional.rms_norm(wide[0], [256], eps=1e-6) * scale
    notes = []
    found = fused_norm(x, weight, 1e-6, shifted=shifted, rounded=False, note=notes)
    assert torch.equal(notes[0].get(), found.detach())
    allowed = 1e-5 if dtype == torch.float32 else 1e-2
    assert relative(found, expected) < allowed
    wanted = torch.autograd.grad((expected * upstream).sum(), wide)
    got = torch.autograd.grad((found * upstream.to(dtype)).sum(), (x, weight))
    for one, other in zip(got, wanted, strict=True):
        assert relative(one, other) < allowed


@pytest.mark.parametrize("keep", [0, 1 << 30])
def test_the_head_in_half_precision_is_that_of_float64(cuda, keep):
    """Products come out before they are rounded, so that log-probs are closer than bfloat16's logits."""
    draw = torch.Generator(cuda).manual_seed(0)
    hidden = torch.randn(40, 64, generator=draw, device=cuda).bfloat16().requires_grad_()
    weight = torch.randn(5000, 64, generator=draw, device=cuda).bfloat16().requires_grad_()
    targets = torch.randint(0, 5000, (40,), generator=draw, device=cuda)
    wide = hidden.detach().double().requires_grad_(), weight.detach().double().requires_grad_()
    expected = (wide[0] @ wide[1].t()).log_softmax(-1).gather(1, targets[:, None])[:, 0]
    found = token_logps(hidden, weight, None, targets, HeadOptions(tile=1024, keep_bytes=keep))
    assert (found - expected).abs().max() < 1e-3  # logits reach 30, where bfloat16's steps are an eighth
    upstream = torch.linspace(-1, 2, 40, device=cuda)
    wanted = torch.autograd.grad(expected @ upstream.double(), wide)
    got = torch.autograd.grad(found @ upstream, (hidden, weight))
    for one, other in zip(got, wanted, strict=True):
        assert relative(one, other) < 1e-2


def relative(found, expected):
    return ((found.double() - expected).norm() / expected.norm()).item()


def test_bfloat16_is_float32_up_to_its_rounding(qwen):
    pairs = make_pairs(8)
    exact, by_exact = gradients(qwen(dtype=torch.float32), pairs, "shared")
    half, by_half = gradients(qwen(), pairs, "shared")
    assert torch.allclose(exact, half, atol=0.1)
    assert torch.nn.functional.cosine_similarity(by_exact, by_half, dim=0) > 0.99
