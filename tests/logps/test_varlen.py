"""The boundaries for a variable-length kernel, checked by a slow kernel of the same contract on a CPU."""

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from gammapo.logps import varlen
from gammapo.logps.attention import split_attention
from gammapo.logps.packing import Segment
from gammapo.logps.segments import PairSegments
from gammapo.logps.varlen import boundaries, flash_pair_attention, read_twice, torchs_own

SEGMENTS = PairSegments(
    (
        Segment(prompt=3, chosen=2, rejected=4),
        Segment(prompt=1, chosen=0, rejected=0),
        Segment(prompt=2, chosen=3, rejected=1),
    )
)


def test_boundaries_by_hand():
    queries, keys, gather = boundaries(PairSegments((Segment(prompt=2, chosen=1, rejected=2),)))
    # runs: positions 0,1,2 over themselves; positions 3,4 over 0,1 (the prompt) and 3,4
    assert queries == [0, 3, 5]
    assert keys == [0, 3, 7]
    assert gather == [0, 1, 2, 0, 1, 3, 4]


def test_positions_read_twice_are_the_prompts_of_rejected_answers():
    _, _, gather = boundaries(PairSegments((Segment(prompt=2, chosen=1, rejected=2),)))
    assert read_twice(gather) == ([0, 1, 2, 5, 6], [0, 1], [3, 4])


def test_torch_s_own_kernel_is_called_by_its_own_names(monkeypatch):
    """Its names have changed from version to version; what a version lacks is not passed."""
    from torch.nn.attention import varlen as torch_varlen

    called = {}

    def newer(query, key, value, cu_seq_q, cu_seq_k, max_q, max_k, *, scale, window_size, enable_gqa):
        called["newer"] = (cu_seq_q, max_q, scale, window_size, enable_gqa)
        return query

    def older(query, key, value, cu_seq_q, cu_seq_k, max_q, max_k, *, scale, window_size):
        called["older"] = (cu_seq_k, max_k, scale, window_size)
        return query

    def oldest(query, key, value, cu_seq_q, cu_seq_k, max_q, max_k, is_causal=False):
        raise AssertionError

    contract = {"cu_seqlens_q": "q", "cu_seqlens_k": "k", "max_seqlen_q": 5, "max_seqlen_k": 7}
    contract |= {"softmax_scale": 0.3, "causal": True, "dropout_p": 0.0}
    for kernel, window in ((newer, {}), (older, {"window_size": (3, 0)})):
        monkeypatch.setattr(torch_varlen, "varlen_attn", kernel)
        attend = torchs_own()
        assert attend is not None
        attend("query", "key", "value", **contract, **window)
    assert called == {"newer": ("q", 5, 0.3, (-1, 0), True), "older": ("k", 7, 0.3, (3, 0))}
    monkeypatch.setattr(torch_varlen, "varlen_attn", oldest)
    assert torchs_own() is None


@pytest.mark.parametrize(
    ("changed", "fits"),
    [
        ({}, True),
        ({"is_cuda": False}, False),
        ({"dtype": torch.float32}, False),
        ({"shape": (1, 4, 9, 512)}, False),
        ({"generation": 7}, False),
        ({"dropout": 0.1}, False),
        ({"softcap": 50.0}, False),
    ],
    ids=str,
)
def test_what_the_kernel_does_not_know_is_left_to_sdpa(monkeypatch, changed, fits):
    """Of PyTorch's own kernel; a stand-in for a tensor on a GPU, of which there is none here."""
    query = {"is_cuda": True, "dtype": torch.bfloat16, "shape": (1, 4, 9, 64), "device": "cuda:0"}
    asked = {"dropout": 0.0, "softcap": None, "generation": 8} | changed
    monkeypatch.setattr(varlen, "_generation", lambda device: asked["generation"])
    stand_in = SimpleNamespace(**query | {name: asked[name] for name in query if name in asked})
    own = torchs_own()
    assert own is not None
    assert varlen.can_attend(own, stand_in, dropout=asked["dropout"], softcap=asked["softcap"]) is fits


def slow_varlen(q, k, v, *, cu_seqlens_q, cu_seqlens_k, softmax_scale, window_size=(-1, -1), **contract):
    """flash_attn_varlen_func's contract: (tokens, heads, d), causal aligned to the lower right."""
    assert contract["causal"]
    out = []
    for i in range(len(cu_seqlens_q) - 1):
        a = q[cu_seqlens_q[i] : cu_seqlens_q[i + 1]].transpose(0, 1)
        b, c = (x[cu_seqlens_k[i] : cu_seqlens_k[i + 1]].transpose(0, 1) for x in (k, v))
        assert a.shape[1] <= contract["max_seqlen_q"]
        assert b.shape[1] <= contract["max_seqlen_k"]
        behind = torch.arange(b.shape[1] - a.shape[1], b.shape[1])[:, None] - torch.arange(b.shape[1])
        seen = (behind >= 0) & ((behind <= window_size[0]) | (window_size[0] < 0))
        out.append(
            F.scaled_dot_product_attention(
                a, b, c, attn_mask=seen, scale=softmax_scale, enable_gqa=True
            ).transpose(0, 1)
        )
    return torch.cat(out)


def test_equals_the_split_attention_with_and_without_a_window():
    draw = torch.Generator().manual_seed(0)
    tokens = sum(SEGMENTS.query_sizes)
    q = torch.randn(1, 4, tokens, 6, generator=draw, dtype=torch.float64)
    k, v = (torch.randn(1, 2, tokens, 6, generator=draw, dtype=torch.float64) for _ in range(2))
    weight = torch.randn(1, tokens, 4, 6, generator=draw, dtype=torch.float64)
    made = [x.requires_grad_() for x in (q, k, v)]
    for window in (None, 2):
        options = {"scaling": 0.3, "dropout": 0.0, "softcap": None, "window": window}
        found = flash_pair_attention(slow_varlen, q, k, v, SEGMENTS, **options)
        split = split_attention(q, k, v, SEGMENTS, **options)
        torch.testing.assert_close(found, split)
        by_runs = torch.autograd.grad((found * weight).sum(), made)
        by_split = torch.autograd.grad((split * weight).sum(), made)
        for one, other in zip(by_runs, by_split, strict=True):
            torch.testing.assert_close(one, other)
