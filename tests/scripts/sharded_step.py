"""One optimiser step of a model that `fully_shard` has cut over all processes; run by test_sharded.py.

Every process writes nothing but the first, which saves the whole gradients to the path given.
"""

import os
import sys

import torch
import torch.distributed as dist
from tests.conftest import make_tiny_model
from tests.training.conftest import make_pairs
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

from gammapo import losses
from gammapo.logps import pair_logps
from gammapo.training.batches import plan_epoch
from gammapo.training.step import Machinery, accumulate_gradients


class Guard:
    """Gradients are reduced at the last micro-batch only, as accelerate's no_sync does with FSDP2."""

    def __init__(self, model, last):
        self.model, self.last = model, last

    def __enter__(self):
        if hasattr(self.model, "set_requires_gradient_sync"):
            self.model.set_requires_gradient_sync(self.last)

    def __exit__(self, *error):
        pass


def step(loss_name, rank=0, world=1):
    """(model with gradients, loss) of one step over 12 pairs."""
    model = make_tiny_model(384)
    if world > 1:
        mesh = init_device_mesh("cpu", (world,))
        for layer in model.model.layers:
            fully_shard(layer, mesh=mesh)
        fully_shard(model, mesh=mesh)
    pairs = make_pairs(12)
    tokens = [pair.tokens for pair in pairs]
    (plan,) = plan_epoch(tokens, pairs_per_step=12, tokens_per_batch=60, world_size=world)

    def gather(local, positions):
        whole = local.new_zeros((12, local.shape[1]))
        whole[list(positions)] = local
        if world > 1:
            dist.all_reduce(whole)
        return whole

    mine = plan.parts[rank]
    loss = losses.create(loss_name, beta=2)
    result = accumulate_gradients(
        [[pairs[plan.pairs[at]] for at in micro] for micro in mine],
        mine,
        12,
        loss,
        loss.initial_state() or None,
        Machinery(
            forward=lambda index, micro: pair_logps(model, micro),
            backward=lambda value: value.backward(),
            guard=lambda last: Guard(model, last),
            gather=gather,
            gradient_scale=float(world),
        ),
    )
    assert len(mine) > 1, "the step must be cut, or nothing is shown"
    return model, result.output.loss


if __name__ == "__main__":
    dist.init_process_group("gloo")
    rank, world = dist.get_rank(), dist.get_world_size()
    model, loss = step(sys.argv[1], rank, world)
    whole = {name: weight.grad.full_tensor() for name, weight in model.named_parameters()}
    if rank == 0:
        torch.save({"loss": loss, **whole}, sys.argv[2])
    dist.barrier()
    os._exit(0)  # taking gloo's threads apart can wait for a rank that has gone
