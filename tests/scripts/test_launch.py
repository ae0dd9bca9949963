"""What `accelerate launch` makes of recipes/accelerate, asked of its own code without starting a process."""

from pathlib import Path

import pytest
from accelerate.commands.launch import _validate_launch_command, launch_command_parser
from accelerate.utils.launch import prepare_deepspeed_cmd_env, prepare_multi_gpu_env

CONFIGS = Path(__file__).parents[2] / "recipes/accelerate"
TWO_MACHINES = "--num_machines 2 --machine_rank 1 --main_process_ip 10.0.0.1 --main_process_port 29500"


def launched(name, more=""):
    """(arguments, command that replaces torchrun or None, environment) of 16 processes."""
    given = f"--config_file {CONFIGS / name}.yaml --num_processes 16 {more} --no_python x".split()
    args, _, _ = _validate_launch_command(launch_command_parser().parse_args(given))
    if not args.use_deepspeed:
        return args, None, prepare_multi_gpu_env(args)
    args.deepspeed_fields_from_accelerate_config = ""  # set by the caller of what is asked here
    return args, *prepare_deepspeed_cmd_env(args)


@pytest.mark.parametrize("name", ["zero3", "fsdp2", "ddp"])
def test_on_several_machines_each_starts_its_own_processes(name):
    """DeepSpeed's own launcher would start all of them from each machine, by ssh and a list of hosts."""
    args, command, _ = launched(name, TWO_MACHINES)
    assert command is None
    assert (int(args.nproc_per_node), int(args.nnodes), int(args.node_rank)) == (8, 2, 1)


def test_the_engines_are_told_what_the_files_say():
    zero3, fsdp2 = launched("zero3")[2], launched("fsdp2")[2]
    assert zero3["ACCELERATE_DEEPSPEED_ZERO_STAGE"] == "3"
    assert zero3["ACCELERATE_DEEPSPEED_ZERO3_SAVE_16BIT_MODEL"] == "true"
    assert fsdp2["FSDP_VERSION"] == "2"
    assert fsdp2["FSDP_STATE_DICT_TYPE"] == "FULL_STATE_DICT"
    assert fsdp2["FSDP_CPU_RAM_EFFICIENT_LOADING"] == "true"
    assert zero3["ACCELERATE_MIXED_PRECISION"] == fsdp2["ACCELERATE_MIXED_PRECISION"] == "bf16"
