"""Pair attention leaves everything else as it was: generation, plain forward passes, the saved config."""

import json
from types import SimpleNamespace

import pytest
import torch
from logps_families import MAKERS, make_model

from gammapo.logps import attention
from gammapo.logps.attention import UnsupportedAttentionError, pair_attention
from gammapo.logps.packing import Segment
from gammapo.logps.segments import PairSegments
from gammapo.logps.support import prepare


@pytest.mark.parametrize("family", MAKERS)
def test_a_prepared_model_generates_and_scores_padded_batches_as_before(family):
    model = make_model(family, dtype=torch.float32).eval()
    ids = torch.randint(1, 97, (2, 11), generator=torch.Generator().manual_seed(1))
    mask = torch.ones_like(ids)
    mask[0, :4] = 0
    options = {"attention_mask": mask, "max_new_tokens": 8, "do_sample": False, "pad_token_id": 0}
    before = model.generate(ids, **options), model(ids, attention_mask=mask).logits
    assert prepare(model) is None
    assert model.config._attn_implementation.startswith("gammapo")
    assert torch.equal(model.generate(ids, **options), before[0])
    torch.testing.assert_close(model(ids, attention_mask=mask).logits, before[1])


def test_the_saved_model_names_no_attention_of_ours(tmp_path):
    model = make_model("llama", dtype=torch.float32)
    prepare(model)
    model.save_pretrained(tmp_path)
    assert "gammapo" not in json.dumps(json.loads((tmp_path / "config.json").read_text()))


def test_mask_lets_queries_at_the_end_see_their_past_within_the_window():
    segments = PairSegments((Segment(prompt=2, chosen=1, rejected=2),))
    like = torch.zeros(1)
    # two queries at the end of four keys: the first sees keys 0..2, the second 0..3
    assert (segments.mask(2, 4, None, like) == 0).tolist() == [[True, True, True, False], [True] * 4]
    # with a window of two, each sees itself and one before
    assert (segments.mask(2, 4, 2, like) == 0).tolist() == [
        [False, True, True, False],
        [False, False, True, True],
    ]


def test_a_tensor_that_it_does_not_know_is_refused():
    """Such as the keys that a sparse layer chose: a probe of fewer tokens than it chooses shows nothing."""
    segments, x = PairSegments((Segment(prompt=2, chosen=1, rejected=2),)), torch.ones(1, 2, 5, 4)
    module = torch.nn.Identity()
    attention.pair_attention(module, x, x, x, segments, position_ids=torch.zeros(1, 5), block_indices=None)
    with pytest.raises(attention.UnsupportedAttentionError, match="block_indices"):
        attention.pair_attention(module, x, x, x, segments, block_indices=torch.zeros(1))


def test_its_result_can_be_viewed_as_fused_attentions_can():
    segments, x = PairSegments((Segment(prompt=2, chosen=1, rejected=2),)), torch.ones(1, 2, 5, 4)
    assert attention.pair_attention(torch.nn.Identity(), x, x, x, segments, softcap=2.0).is_contiguous()


def test_an_attention_layer_derived_elsewhere_keeps_its_eager_form():
    from transformers.models.llama.modeling_llama import LlamaAttention

    class Derived(LlamaAttention):
        pass

    model = make_model("llama", dtype=torch.float32).eval()
    model.set_attn_implementation("eager")
    ids = torch.randint(1, 97, (1, 9), generator=torch.Generator().manual_seed(1))
    before = model(ids).logits
    model.model.layers[0].self_attn.__class__ = Derived
    assert prepare(model) is None
    torch.testing.assert_close(model(ids).logits, before)


def test_dropout_reaches_the_attention_weights():
    model = make_model("llama")
    prepare(model)
    model.config.attention_dropout = 0.5
    for layer in model.model.layers:
        layer.self_attn.attention_dropout = 0.5
    from logps_families import make_pairs

    from gammapo.logps import pair_logps

    pairs = make_pairs((9, 5, 5))
    torch.manual_seed(0)
    noisy = pair_logps(model, pairs).chosen
    assert not torch.allclose(noisy, pair_logps(model, pairs).chosen)
    model.eval()
    torch.testing.assert_close(pair_logps(model, pairs).chosen, pair_logps(model, pairs).chosen)


def test_without_a_dense_mask_the_end_of_the_keys_is_attended_all_the_same(monkeypatch):
    """As on a GPU: there the fused kernels take no dense mask beside grouped heads, so none is made."""
    two = Segment(prompt=3, chosen=2, rejected=4), Segment(prompt=1, chosen=1, rejected=2)
    segments = PairSegments(two)
    draw = torch.Generator().manual_seed(0)
    q = torch.randn(1, 4, 13, 8, generator=draw)
    k, v = (torch.randn(1, 2, 13, 8, generator=draw) for _ in range(2))
    options = {"window": None, "scaling": 0.3, "dropout": 0.0, "softcap": None}
    expected = attention.split_attention(q, k, v, segments, **options)
    monkeypatch.setattr(attention, "DENSE", ())
    monkeypatch.setattr(PairSegments, "mask", lambda *_: pytest.fail("a dense mask was made"))
    torch.testing.assert_close(attention.split_attention(q, k, v, segments, **options), expected)


def test_under_autocast_all_three_have_its_type():
    wide, half = torch.zeros(2), torch.zeros(2, dtype=torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        assert {x.dtype for x in attention.in_arithmetic_type(wide, wide, half)} == {torch.bfloat16}
    assert [x.dtype for x in attention.in_arithmetic_type(wide, half)] == [torch.float32, torch.bfloat16]


def test_a_window_that_only_the_mask_has_is_refused():
    """A probe shorter than the window would not show it."""
    module = torch.nn.Module()
    module.config = SimpleNamespace(sliding_window=64)
    with pytest.raises(UnsupportedAttentionError, match="sliding_window, which its mask alone has"):
        pair_attention(module, *([torch.zeros(1, 2, 4, 8)] * 3), None)
