"""The variable-length kernel on a GPU against plain attention in float64, pair by pair."""

import pytest
import torch

from gammapo.logps.attention import split_attention
from gammapo.logps.packing import Segment
from gammapo.logps.segments import PairSegments
from gammapo.logps.varlen import flash_attention, flash_pair_attention, torchs_own

pytestmark = pytest.mark.gpu
SEGMENTS = (
    Segment(prompt=70, chosen=130, rejected=200),
    Segment(prompt=1, chosen=0, rejected=0),
    Segment(prompt=300, chosen=5, rejected=1),
)
WEIGHTS = {"scaling": 0.1, "dropout": 0.0, "softcap": None}


@pytest.mark.parametrize("window", [None, 64])
@pytest.mark.parametrize("kernel", [torchs_own, flash_attention])
def test_the_kernel_is_plain_attention_forward_and_backward(cuda, kernel, window):
    flash = kernel()
    if flash is None:
        pytest.skip(f"this PyTorch ({torch.__version__}) has no such kernel")
    segments = PairSegments(SEGMENTS)
    draw = torch.Generator(cuda).manual_seed(0)
    tokens = sum(segments.query_sizes)
    exact = [
        torch.randn(1, heads, tokens, 64, generator=draw, device=cuda, dtype=torch.float64).requires_grad_()
        for heads in (6, 2, 2)
    ]
    weight = torch.randn(1, tokens, 6, 64, generator=draw, device=cuda, dtype=torch.float64)
    half = [x.detach().bfloat16().requires_grad_() for x in exact]
    expected = split_attention(*exact, segments, window=window, **WEIGHTS)
    found = flash_pair_attention(flash, *half, segments, window=window, **WEIGHTS)
    assert relative(found, expected) < 1e-2
    wanted = torch.autograd.grad((expected * weight).sum(), exact)
    got = torch.autograd.grad((found * weight).sum(), half)
    for one, other in zip(got, wanted, strict=True):
        assert relative(one, other) < 2e-2


def relative(found, expected):
    return ((found.double() - expected).norm() / expected.norm()).item()
