"""One rank of tests/logps/test_distributed.py: `python two_processes.py ddp|fsdp2 tied|untied OUT`."""

import os
import sys

import torch
import torch.distributed as dist
from logps_families import make_model, make_pairs

from gammapo.logps import pair_logps, reference_logps

PAIRS = make_pairs((7, 5, 9), (30, 1, 14), (2, 12, 1), (11, 3, 3))


def loss_of(model, pairs):
    found = pair_logps(model, pairs, path="shared")
    return torch.nn.functional.softplus((found.rejected - found.chosen) / 10).mean()


def main(kind, tied, out):
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    rank = dist.get_rank()
    model = make_model("llama", tied=tied)
    if kind == "ddp":
        model = torch.nn.parallel.DistributedDataParallel(model)
    else:
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        mesh = init_device_mesh("cpu", (2,))
        for layer in model.model.layers:
            fully_shard(layer, mesh=mesh)
        # units as accelerate makes them: norm and head together, with the embeddings where these are tied
        tail = [model.model.norm, model.model.embed_tokens, model.lm_head]
        fully_shard(tail if tied else [tail[0], tail[2]], mesh=mesh, reshard_after_forward=False)
        fully_shard(model, mesh=mesh)
    for _ in range(2):  # the second pass meets weights that were sharded again
        model.zero_grad()
        loss_of(model, PAIRS[2 * rank : 2 * rank + 2]).backward()
    gradients = {}
    for name, p in model.named_parameters():
        g = p.grad.full_tensor() if hasattr(p.grad, "full_tensor") else p.grad
        gradients[name.removeprefix("module.")] = g
    reference = reference_logps(model, PAIRS, tokens_per_batch=40)
    if rank == 0:
        torch.save({"gradients": gradients, "chosen": reference.chosen}, out)
    dist.barrier()
    os._exit(0)  # taking DDP's reducer and gloo's threads apart can wait for a rank that has gone


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2] == "tied", sys.argv[3])
