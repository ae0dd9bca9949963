"""What a run will do and need: steps, schedule, memory and time, from its pairs and its model's config."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from gammapo.errors import InputError
from gammapo.planning.memory import ENGINES, GIB, Memory, Setting, estimate_memory
from gammapo.planning.shape import ModelShape
from gammapo.planning.work import PEAK, SHARE, hours, lengths_of, training_flops
from gammapo.training.arguments import warmup_steps
from gammapo.training.batches import StepPlan, plan_epoch
from gammapo.training.prepare import Prepared, total_steps

HEADROOM = 0.92  # of a GPU's memory that may be planned with
SIZES = (24, 40, 48, 80, 141)  # GiB, of common GPUs


@dataclass(frozen=True, kw_only=True)
class RunPlan:
    """Everything `--dry-run` prints. Memory and time are projections; the rest is certain."""

    gpus: int
    engine: str
    gpu_memory: float  # GiB
    pairs: int
    steps: int
    steps_per_epoch: int
    warmup_steps: int
    last_step_pairs: int
    left_out: int  # pairs of an epoch's last step that are too few for the GPUs
    micro_batches: int  # a GPU and step, at most
    micro_batch_tokens: int  # of the largest micro-batch
    longest_pair: int
    memory: Memory
    flops: float
    hours: float
    peak_tflops: float
    fits: dict[int, float]  # number of GPUs → GiB on each
    warnings: tuple[str, ...]

    @property
    def verdict(self) -> bool:
        return fits_on(self.memory, self.gpu_memory)


def fits_on(memory: Memory, gpu_memory: float) -> bool:
    """Whether the estimate leaves the headroom on a GPU of so many GiB."""
    return memory.total <= HEADROOM * gpu_memory * GIB


def plan_run(
    prepared: Prepared,
    shape: ModelShape,
    *,
    gpus: int = 1,
    engine: str = "zero3",
    gpu_memory: float = 80.0,
    peak_tflops: float = PEAK,
) -> RunPlan:
    """The plan of a recipe on so many GPUs of one kind.

    Args:
        prepared: the recipe's pairs, loss and tokenizer.
        shape: of the recipe's model.
        gpus: over all nodes.
        engine: how several GPUs share the model: "zero3", "fsdp2" or "ddp".
        gpu_memory: GiB each.
        peak_tflops: dense bfloat16 peak of one.
    """
    if engine not in ENGINES:
        raise InputError(f"got {engine!r}", field="--engine", expected="one of " + ", ".join(ENGINES))
    for field, value in (("--gpu-memory", gpu_memory), ("--gpu-tflops", peak_tflops)):
        if not 0 < value < math.inf:
            raise InputError(f"got {value}", field=field, expected="a number above 0", fix="change it")
    recipe, settings = prepared.recipe, prepared.recipe.training
    plans = plan_epoch(
        [pair.tokens for pair in prepared.pairs],
        pairs_per_step=settings.pairs_per_step,
        tokens_per_batch=settings.tokens_per_batch,
        world_size=gpus,
        seed=settings.seed,
    )
    steps = total_steps(recipe, len(plans))
    tokens, scored, count = _largest(plans, prepared)
    setting = Setting(
        gpus=gpus,
        engine=engine,
        tokens=tokens,
        scored=scored,
        checkpointing=_checkpointing(prepared),
        lora_rank=None if recipe.lora is None else recipe.lora.rank,
        weights_dtype=_weights_dtype(prepared),
    )
    wanted = prepared.loss.needs | prepared.loss.uses
    flops = training_flops(
        shape,
        lengths_of(prepared.pairs),
        checkpointing=setting.checkpointing,
        couples=prepared.loss.spec.couples and count > 1,
        adapters=recipe.lora is not None,
        reference="reference" in wanted,
    ) * (steps / len(plans))
    used = sum(len(plan.pairs) for plan in plans)
    return RunPlan(
        gpus=gpus,
        engine=engine,
        gpu_memory=gpu_memory,
        pairs=len(prepared.pairs),
        steps=steps,
        steps_per_epoch=len(plans),
        warmup_steps=warmup_steps(settings, steps),
        last_step_pairs=len(plans[-1].pairs),
        left_out=len(prepared.pairs) - used,
        micro_batches=count,
        micro_batch_tokens=tokens,
        longest_pair=max(pair.tokens for pair in prepared.pairs),
        memory=estimate_memory(shape, setting),
        flops=flops,
        hours=hours(flops, gpus, peak_tflops),
        peak_tflops=peak_tflops,
        fits={n: estimate_memory(shape, replace(setting, gpus=n)).total / GIB for n in (1, 2, 4, 8, 16)},
        warnings=tuple(_warnings(prepared, steps, tokens)),
    )


def assumed_share() -> float:
    """Share of the peak that the time assumes."""
    return SHARE


def _largest(plans: list[StepPlan], prepared: Prepared) -> tuple[int, int, int]:
    """Tokens and scored positions of the largest micro-batch, and the most of them a GPU has in a step."""
    tokens = scored = count = 0
    for plan in plans:
        for rank in plan.parts:
            count = max(count, len(rank))
            for micro in rank:
                pairs = [prepared.pairs[plan.pairs[at]] for at in micro]
                tokens = max(tokens, sum(pair.tokens for pair in pairs))
                scored = max(scored, sum(len(pair.chosen) + len(pair.rejected) for pair in pairs))
    return tokens, scored, count


def _checkpointing(prepared: Prepared) -> bool:
    given = prepared.recipe.training.model_extra or {}
    # transformers 5 renamed the option and still takes the old name
    return bool(given.get("activation_checkpointing") or given.get("gradient_checkpointing"))


def _weights_dtype(prepared: Prepared) -> str:
    model, lora = prepared.recipe.model, prepared.recipe.lora
    if lora is not None and lora.base == "4bit":
        return "4bit"
    return "float32" if lora is None and model.masters == "float32" else model.dtype


def _warnings(prepared: Prepared, steps: int, tokens: int) -> list[str]:
    recipe, said = prepared.recipe, []
    if recipe.lora is None and _weights_dtype(prepared) != "float32":
        said.append(
            f"pure {recipe.model.dtype} training (model.masters=dtype) loses updates below a 256th of a "
            "weight; leave model.masters at float32 unless the engine keeps float32 masters of its own"
        )
    if steps < 20:
        said.append(f"only {steps} steps: warm-up and margins hardly settle; check pairs_per_step")
    if tokens > recipe.training.tokens_per_batch:
        said.append(
            f"a pair of {tokens} tokens exceeds tokens_per_batch={recipe.training.tokens_per_batch}; it is "
            "read alone and sets the memory"
        )
    return said
