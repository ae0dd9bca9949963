"""A worker of the comparison: `python -m pair_training_parts.worker trl|gammapo|matmul SETUP.json`.

It reads "step" and "end" on standard input and answers each with one line of JSON on standard output.
Everything that the trainers print goes to standard error.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
CHANNEL = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)

import torch  # noqa: E402
from transformers import AutoTokenizer, TrainerCallback, TrainingArguments  # noqa: E402

from pair_training_parts import work  # noqa: E402

BETA, GAMMA = 2.0, 1.0  # SimPO's, as in its paper
DPO_BETA = 0.1
LIGER = {
    "cross_entropy": False,
    "fused_linear_cross_entropy": False,
}  # neither trainer asks for a cross-entropy


def say(message: dict[str, Any]) -> None:
    CHANNEL.write(json.dumps(message) + "\n")
    CHANNEL.flush()


def told() -> str:
    return sys.stdin.readline().strip()


def peak_bytes() -> int:
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def limit_memory(gigabytes: float) -> None:
    """Let an allocation beyond this fail, so that this process ends and not one that the system picks."""
    if not torch.cuda.is_available():
        size = int(gigabytes * 1e9)
        resource.setrlimit(resource.RLIMIT_DATA, (size, size))


def fingerprint(model: torch.nn.Module) -> dict[str, tuple[float, float]]:
    """Each parameter's gradient by its length and its product with a fixed random direction."""
    found = {}
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            gradient = parameter.grad.detach().float()
            draw = torch.Generator().manual_seed(gradient.numel())
            direction = torch.randn(gradient.shape, generator=draw).to(gradient.device)
            product = (gradient * direction).sum() / direction.norm()
            found[name] = (gradient.norm().item(), product.item())
    return found


class Turns(TrainerCallback):
    """Waits for its turn before every optimiser step, and reports it after the step."""

    def __init__(self, tokens: list[int], ideal: list[int]):
        self.tokens, self.ideal, self.gradient = tokens, ideal, None
        self.report: dict[str, Any] = {}

    def on_step_begin(self, args, state, control, **kwargs):
        if told() != "step":
            control.should_training_stop = True
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def on_pre_optimizer_step(self, args, state, control, model=None, **kwargs):
        if state.global_step == 0:
            self.gradient = fingerprint(model)

    def on_step_end(self, args, state, control, **kwargs):
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        step = state.global_step - 1
        self.report = {"wall": time.perf_counter() - self.wall, "cpu": time.process_time() - self.cpu}
        self.report |= {"tokens": self.tokens[step], "ideal_flops": self.ideal[step]}

    def on_log(self, args, state, control, logs=None, **kwargs):
        if logs and "loss" in logs and self.report:
            self.report["loss"] = logs["loss"]
            if state.global_step == 1:
                self.report["gradient"] = self.gradient
            say(self.report)
            self.report = {}


def common_arguments(setup: dict[str, Any], batch: int, accumulate: int) -> dict[str, Any]:
    """What both trainers are given alike. Gradients are clipped at a length that no step reaches, so that
    both do the work of clipping and the recorded gradients stay raw."""
    gpu = torch.cuda.is_available()
    liger = {"use_liger_kernel": True, "liger_kernel_config": LIGER} if setup["liger"] else {}
    return liger | {
        "output_dir": setup["folder"],
        "per_device_train_batch_size": batch,
        "gradient_accumulation_steps": accumulate,
        "num_train_epochs": 1,
        "learning_rate": 1e-7,
        "lr_scheduler_type": "constant",
        "optim": "adamw_torch_fused",
        "max_grad_norm": 1e9,
        "gradient_checkpointing": setup["checkpointing"],
        "train_sampling_strategy": "sequential",
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "use_cpu": not gpu,
        "bf16": gpu,
        "disable_tqdm": True,
        "seed": 0,
    }


def load(setup: dict[str, Any]) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(setup["model"], dtype=torch.float32)


def in_steps(values: list[Any], size: int) -> list[list[Any]]:
    return [values[i : i + size] for i in range(0, len(values), size)]


def turns(setup: dict[str, Any], model: Any, pairs: list[Any], *, padded: bool) -> Turns:
    """Tokens that are read and ideal work, step by step."""
    tokens = []
    for step in in_steps(pairs, setup["pairs_per_step"]):
        if padded:
            batches = in_steps(step, setup["micro_batch"])
            tokens.append(
                sum(2 * len(b) * max(len(p) + max(len(c), len(r)) for p, c, r in b) for b in batches)
            )
        else:
            tokens.append(work.lengths(step)[0])
    ideal = [work.ideal_flops(model.config, step) for step in in_steps(pairs, setup["pairs_per_step"])]
    return Turns(tokens, ideal)


def run_trl(setup: dict[str, Any]) -> None:
    from datasets import Dataset

    tokenizer = AutoTokenizer.from_pretrained(setup["model"])
    model = load(setup)
    micro = setup["micro_batch"]
    arguments = common_arguments(setup, micro, setup["pairs_per_step"] // micro)
    data = Dataset.from_list(setup["rows"])
    if setup["rival"] == "cpo":
        from trl.experimental.cpo import CPOConfig, CPOTrainer

        config = CPOConfig(
            **arguments, loss_type="simpo", cpo_alpha=0.0, beta=BETA, simpo_gamma=GAMMA, max_length=4096
        )
        trainer = CPOTrainer(model=model, args=config, train_dataset=data, processing_class=tokenizer)
    else:
        from trl import DPOConfig, DPOTrainer

        config = DPOConfig(**arguments, beta=DPO_BETA, precompute_ref_log_probs=True, max_length=4096)
        trainer = DPOTrainer(model=model, args=config, train_dataset=data, processing_class=tokenizer)
    pairs = [token_ids(row) for row in trainer.train_dataset]
    trainer.add_callback(turns(setup, model, pairs, padded=True))
    say({"pairs": pairs})
    trainer.train()


def token_ids(row: dict[str, Any]) -> tuple[list[int], list[int], list[int]]:
    """(prompt, chosen, rejected) as TRL tokenised them, from either trainer's columns."""
    if "prompt_ids" in row:
        return row["prompt_ids"], row["chosen_ids"], row["rejected_ids"]
    start = sum(label == -100 for label in row["chosen_labels"])
    assert row["chosen_input_ids"][:start] == row["rejected_input_ids"][:start]
    return row["chosen_input_ids"][:start], row["chosen_input_ids"][start:], row["rejected_input_ids"][start:]


def run_gammapo(setup: dict[str, Any]) -> None:
    from gammapo import logps, losses
    from gammapo.memory import reuse_freed_memory
    from gammapo.training.arguments import LIGER as LIGER_HERE
    from gammapo.training.batches import StepDataset, StepPlan
    from gammapo.training.trainer import PairTrainer
    from gammapo.types import TokenizedPair

    class InOrder(StepDataset):
        """Steps in the file's order, in the micro-batches that TRL takes, or cut by a budget of tokens."""

        def set_epoch(self, epoch: int) -> None:
            size, micro, budget = setup["pairs_per_step"], setup["micro_batch"], setup["tokens_per_batch"]
            self.plans = []
            for step in in_steps(list(range(len(self.pairs))), size):
                sizes = [self.pairs[number].tokens for number in step]
                parts = work.within(budget, sizes) if budget else in_steps(list(range(size)), micro)
                self.plans.append(StepPlan(pairs=tuple(step), parts=(tuple(map(tuple, parts)),)))

    if not torch.cuda.is_available():
        reuse_freed_memory()  # as `gammapo train` does
    model = load(setup)
    pairs = [
        TokenizedPair(id=str(i), prompt=tuple(p), chosen=tuple(c), rejected=tuple(r))
        for i, (p, c, r) in enumerate(setup["pairs"])
    ]
    if setup["rival"] == "cpo":
        loss = losses.create("simpo", beta=BETA, gamma_beta_ratio=GAMMA / BETA)
    else:
        loss = losses.create("dpo", beta=DPO_BETA)
        reference = logps.reference_logps(model, pairs)
        sides = zip(pairs, reference.chosen.tolist(), reference.rejected.tolist(), strict=True)
        pairs = [replace(p, reference_chosen=c, reference_rejected=r) for p, c, r in sides]
    steps = InOrder(pairs, pairs_per_step=setup["pairs_per_step"], tokens_per_batch=1 << 30)
    arguments = TrainingArguments(**common_arguments(setup, 1, 1))
    if setup["liger"]:
        arguments.liger_kernel_config = LIGER_HERE
    trainer = PairTrainer(model, arguments, steps, loss, Path(setup["folder"]))
    trainer.add_callback(turns(setup, model, setup["pairs"], padded=False))
    say({"parameters": sum(p.numel() for p in model.parameters())})
    trainer.train()


def run_matmul(setup: dict[str, Any]) -> None:
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(setup["model"])
    gpu = torch.cuda.is_available()
    products = work.BareProducts(config, torch.bfloat16 if gpu else torch.float32, "cuda" if gpu else "cpu")
    say({})
    for step in in_steps(setup["pairs"], setup["pairs_per_step"]):
        if told() != "step":
            return
        say(products.run(step))


def main() -> None:
    kind, path = sys.argv[1:]
    setup = json.loads(Path(path).read_text())
    setup["folder"] = str(Path(path).parent / kind)
    Path(setup["folder"]).mkdir(exist_ok=True)
    torch.set_num_threads(setup["threads"])
    limit_memory(setup["limit_gb"])
    {"trl": run_trl, "gammapo": run_gammapo, "matmul": run_matmul}[kind](setup)
    told()
    say({"peak_bytes": peak_bytes()})


if __name__ == "__main__":
    main()
