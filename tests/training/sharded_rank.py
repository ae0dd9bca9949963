"""One rank of tests/training/test_sharded.py: `python sharded_rank.py RECIPE.yaml OUT.json`.

accelerate takes up FSDP on accelerators only; here it is told that FSDP is what this run uses, and all that
follows (loading, sharding, broadcasting, training, saving) is its own and torch's code, on the CPU.
"""

import json
import os
import sys
from pathlib import Path

import torch
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin, TorchDynamoPlugin

from gammapo import models
from gammapo.training import load_recipe, run


def shard_on_the_cpu() -> None:
    plugin = FullyShardedDataParallelPlugin(
        fsdp_version=2,
        auto_wrap_policy="transformer_based_wrap",
        state_dict_type="FULL_STATE_DICT",
        cpu_ram_efficient_loading=True,
    )
    state = AcceleratorState(cpu=True, dynamo_plugin=TorchDynamoPlugin(), _from_accelerator=True)
    shared = AcceleratorState._shared_state
    shared["distributed_type"], shared["fsdp_plugin"] = DistributedType.FSDP, plugin
    assert state.distributed_type == DistributedType.FSDP


def main(recipe: str, out: str) -> None:
    torch.set_num_threads(1)
    made, load = run._training_arguments, models.load_model
    seen: dict = {}

    def arguments(*given):
        args = made(*given)
        shard_on_the_cpu()
        return args

    def model(path, **options):
        seen["weights"] = options["weights"]
        return load(path, **options)

    run._training_arguments, models.load_model = arguments, model
    run.train(load_recipe(recipe))
    Path(f"{out}.{os.environ['RANK']}").write_text(json.dumps(seen))
    torch.distributed.barrier()
    os._exit(0)  # taking gloo's threads apart can wait for a rank that has gone


if __name__ == "__main__":
    main(*sys.argv[1:])
