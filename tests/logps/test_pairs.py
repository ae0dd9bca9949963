"""pair_logps against one forward pass an answer, and what it carries over from the pairs."""

import dataclasses

import pytest
import torch

from gammapo.errors import InputError
from gammapo.logps import pair_logps
from gammapo.logps.one_at_a_time import sequence_logps
from gammapo.types import TokenizedPair


def make_pair(prompt: int, chosen: int, rejected: int, seed: int = 0, vocabulary: int = 300) -> TokenizedPair:
    draw = torch.Generator().manual_seed(seed)
    lengths = {"prompt": prompt, "chosen": chosen, "rejected": rejected}
    parts = {
        k: tuple(torch.randint(0, vocabulary, (n,), generator=draw).tolist()) for k, n in lengths.items()
    }
    return TokenizedPair(id=f"p{seed}", **parts)


RAGGED = [make_pair(7, 5, 9, 1), make_pair(20, 1, 3, 2), make_pair(3, 12, 1, 3)]


class Wrapped(torch.nn.Module):
    """Wraps as DDP does: the model under `.module`, calls passed through."""

    def __init__(self, module):
        super().__init__()
        self.module, self.calls = module, 0

    def forward(self, *args, **kwargs):
        self.calls += 1
        return self.module(*args, **kwargs)


@pytest.mark.parametrize("path", ["padded", "shared"])
def test_sums_equal_one_pass_an_answer(tiny_model, path):
    tiny_model.double()
    found = pair_logps(tiny_model, RAGGED, path=path)
    for i, pair in enumerate(RAGGED):
        for side in ("chosen", "rejected"):
            truth = sequence_logps(tiny_model, pair.prompt, getattr(pair, side)).sum()
            torch.testing.assert_close(getattr(found, side)[i], truth, rtol=0, atol=1e-10)
    assert found.chosen_length.tolist() == [5.0, 1.0, 12.0]
    assert found.rejected_length.tolist() == [9.0, 3.0, 1.0]


@pytest.mark.parametrize("path", ["padded", "shared"])
def test_calls_go_through_the_wrapper_once_and_gradients_flow(tiny_model, path):
    wrapped = Wrapped(tiny_model.train())
    pair_logps(wrapped, RAGGED, path=path)  # the first call probes the model
    wrapped.calls = 0
    found = pair_logps(wrapped, RAGGED, path=path)
    assert wrapped.calls == 1
    (found.chosen - found.rejected).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in tiny_model.parameters())


@pytest.mark.parametrize("path", ["padded", "shared"])
def test_lora_trains_only_its_adapter(tiny_model, path):
    from peft import LoraConfig, get_peft_model

    model = get_peft_model(tiny_model, LoraConfig(r=2, target_modules="all-linear", task_type="CAUSAL_LM"))
    found = pair_logps(model.train(), RAGGED, path=path)
    truth = sequence_logps(model, RAGGED[0].prompt, RAGGED[0].chosen).sum()
    torch.testing.assert_close(found.chosen[0], truth, rtol=1e-5, atol=1e-5)
    found.chosen.sum().backward()
    assert {n for n, p in model.named_parameters() if p.grad is not None} == {
        n for n, _ in model.named_parameters() if "lora_" in n
    }


def test_reference_and_scores_are_carried_only_if_all_pairs_have_them(tiny_model):
    full = [
        dataclasses.replace(p, reference_chosen=-1.0, reference_rejected=-2.0, chosen_score=3.0)
        for p in RAGGED
    ]
    found = pair_logps(tiny_model, full)
    assert found.reference_chosen is not None
    assert found.reference_chosen.tolist() == [-1.0] * 3
    assert found.rejected_score is None
    assert pair_logps(tiny_model, [full[0], RAGGED[1]]).reference_chosen is None


def test_empty_answers_and_unknown_paths_are_named(tiny_model):
    with pytest.raises(InputError, match="pair p1 has an empty chosen"):
        pair_logps(tiny_model, [dataclasses.replace(RAGGED[0], chosen=())])
    with pytest.raises(InputError, match="no pairs"):
        pair_logps(tiny_model, [])
    with pytest.raises(InputError, match="unknown path"):
        pair_logps(tiny_model, RAGGED, path="fast")  # pyright: ignore[reportArgumentType]
