"""One rank of tests/training/test_sharded.py: `python sharded_rank.py RECIPE.yaml OUT.json [checkpointing]`.

accelerate takes up FSDP on accelerators only; here it is told that FSDP is what this run uses, and all that
follows (loading, sharding, broadcasting, training, saving) is its own and torch's code, on the CPU.
"""

import json
import os
import sys
from pathlib import Path

import torch
from accelerate.state import AcceleratorState, PartialState
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin, TorchDynamoPlugin

from gammapo import logps, models
from gammapo.training import load_recipe, run
from gammapo.training.trainer import PairTrainer


def shard_on_the_cpu(precision: str, checkpointing: bool) -> None:
    plugin = FullyShardedDataParallelPlugin(
        fsdp_version=2,
        auto_wrap_policy="transformer_based_wrap",
        state_dict_type="FULL_STATE_DICT",
        cpu_ram_efficient_loading=True,
        activation_checkpointing=checkpointing,
    )
    if precision != "no":
        plugin.set_mixed_precision(precision)
    AcceleratorState(
        mixed_precision=precision, cpu=True, dynamo_plugin=TorchDynamoPlugin(), _from_accelerator=True
    )
    AcceleratorState._shared_state["fsdp_plugin"] = plugin
    # of both: what the trainer makes copies the second into the first
    for shared in (AcceleratorState._shared_state, PartialState._shared_state):
        shared["distributed_type"] = DistributedType.FSDP


def main(recipe: str, out: str, *checkpointing: str) -> None:
    torch.set_num_threads(1)
    made, load, read, step = (
        run.make_arguments,
        models.load_model,
        logps.pair_logps,
        PairTrainer.training_step,
    )
    seen: dict = {}

    def arguments(*given):
        args = made(*given)
        shard_on_the_cpu(args.mixed_precision, bool(checkpointing))
        return args

    def model(path, **options):
        seen["weights"] = options["weights"]
        return load(path, **options)

    def pair_logps(*given, **options):
        found = read(*given, **options)
        seen["logps"] = str(found.chosen.dtype)
        return found

    def training_step(self, model, *given):
        loss = step(self, model, *given)
        seen["model"] = type(model).__name__
        gradients = [weight.grad for weight in model.parameters()]
        kept = sum(one.to_local().numel() for one in gradients)
        seen["shares"] = kept / sum(one.numel() for one in gradients)
        return loss

    run.make_arguments, models.load_model, logps.pair_logps = arguments, model, pair_logps
    PairTrainer.training_step = training_step
    run.train(load_recipe(recipe))
    Path(f"{out}.{os.environ['RANK']}").write_text(json.dumps(seen))
    torch.distributed.barrier()
    os._exit(0)  # taking gloo's threads apart can wait for a rank that has gone


if __name__ == "__main__":
    main(*sys.argv[1:])
