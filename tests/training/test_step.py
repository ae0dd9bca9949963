"""The step's gradient is the same however the step is cut."""

import contextlib

import pytest
import torch
from tests.training.conftest import make_pairs

from gammapo import logps, losses
from gammapo.training.step import Machinery, accumulate_gradients


def gradient_of(model, pairs, cut, loss, state=None):
    """Parameters' gradients and the result, with the pairs cut into micro-batches at the given positions."""
    model.zero_grad()
    reads = []

    def forward(index, micro_batch):
        reads.append(index)
        return logps.pair_logps(model, micro_batch)

    def gather(local, positions):
        whole = local.new_empty((len(pairs), local.shape[1]))
        whole[list(positions)] = local
        return whole

    machinery = Machinery(
        forward=forward,
        backward=torch.Tensor.backward,
        guard=lambda last: contextlib.nullcontext(),
        gather=gather,
    )
    micro = [[pairs[at] for at in positions] for positions in cut]
    result = accumulate_gradients(micro, cut, len(pairs), loss, state, machinery)
    grads = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
    return grads, result, reads


@pytest.mark.parametrize(
    "loss", [losses.create("simpo"), losses.create("gamma_simpo", beta=2)], ids=lambda loss: loss.name
)
def test_gradient_does_not_depend_on_the_cut(tiny_model, loss):
    model = tiny_model.double()
    pairs = make_pairs(7)
    whole, expected, _ = gradient_of(model, pairs, [tuple(range(7))], loss)
    parts, got, _ = gradient_of(model, pairs, [(2, 5), (0, 1, 6), (3, 4)], loss)
    # log-probs are handed to the loss in float32, hence the tolerance
    assert torch.allclose(whole, parts, rtol=1e-4, atol=1e-7)
    assert torch.allclose(expected.output.reward_gaps, got.output.reward_gaps, atol=1e-5)
    assert torch.allclose(expected.output.target_margins, got.output.target_margins, atol=1e-5)
    assert expected.output.loss.item() == pytest.approx(got.output.loss.item(), abs=1e-5)


def test_whole_step_gradient_equals_autograd(tiny_model):
    model, pairs = tiny_model.double(), make_pairs(5)
    loss = losses.create("simpo")
    got, _, _ = gradient_of(model, pairs, [(0, 1), (2, 3, 4)], loss)
    model.zero_grad()
    loss(logps.pair_logps(model, pairs)).loss.backward()
    expected = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
    assert torch.allclose(got, expected, rtol=1e-4, atol=1e-7)


def test_only_a_coupled_loss_reads_twice(tiny_model):
    pairs, cut = make_pairs(6), [(0, 1), (2, 3), (4, 5)]
    assert gradient_of(tiny_model, pairs, cut, losses.create("simpo"))[2] == [0, 1, 2]
    assert gradient_of(tiny_model, pairs, cut, losses.create("gamma_simpo"))[2] == [1, 2, 0, 1, 2]
