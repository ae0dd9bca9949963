"""One training run, from recipe to run folder. The same call goes on where a killed run stood.

The run folder holds `recipe.yaml` (resolved), `run.json` (what was done with which versions and data),
`metrics.jsonl`, `ledger.parquet`, `noise.json` if labels were corrupted here, `samples.jsonl` if answers were
sampled on the way, `checkpoints/` and `model/`.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gammapo import models
from gammapo.errors import RunError
from gammapo.training import checkpoints, lock, run_folder
from gammapo.training.adapters import add_adapters
from gammapo.training.arguments import make_arguments
from gammapo.training.prepare import Prepared, planned, prepare
from gammapo.training.recipe import Recipe
from gammapo.training.run_folder import RunResult

if TYPE_CHECKING:
    from transformers import TrainingArguments

    from gammapo.training.batches import StepDataset
    from gammapo.training.precision import Precision

logger = logging.getLogger(__name__)
# of launchers that tell each process its place by no RANK; accelerate reads them too
MPI_SIZES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")
ROUTERS = (
    "the model's config asks for the routers' load-balancing loss (output_router_logits), which is no part "
    "of a pair loss and is not added"
)


def train(
    recipe: Recipe,
    *,
    on_step: Callable[[int, int], None] | None = None,
    say: Callable[[str], None] = logger.info,
) -> RunResult:
    """Train as the recipe says, and leave a complete run folder.

    Args:
        recipe: see `recipe.load_recipe`.
        on_step: called as (step, steps in all) after every optimiser step.
        say: called with a sentence at each stage.

    Raises:
        InputError: bad recipe or data, an output folder that belongs to another run, or one in which another
            process is training. Nothing is left behind by a call that is refused.
        RunError: a loss or gradient that is not finite.
    """
    folder = Path(recipe.output)
    if finished := run_folder.finished(folder, recipe):
        say(f"{folder} is complete already; nothing was trained")
        return finished
    with lock.hold(folder) if _speaks_for_the_run() else nullcontext():
        return _train(folder, recipe, on_step, say)


def _train(
    folder: Path, recipe: Recipe, on_step: Callable[[int, int], None] | None, say: Callable[[str], None]
) -> RunResult:
    _settle_memory()
    main = _is_first_rank()
    # before the pairs are read, so that a change in between will not pass for what was trained on
    digest = run_folder.data_digest(recipe) if main else None
    prepared = prepare(recipe)
    begun = main and run_folder.has_begun(folder, prepared)
    for note in prepared.notes:
        say(note)
    started = time.monotonic()
    precision = _decide_precision(recipe)
    if precision.notice:
        say(precision.notice)
    # before the model: ZeRO-3 splits weights as they are read, if it is set up by then
    args = make_arguments(recipe, precision.arguments)
    steps = _steps(prepared, args)
    prepared = planned(prepared, len(steps))
    say(prepared.loss.objective)
    model = _load_model(recipe, precision.load)
    if getattr(model.config.get_text_config(), "output_router_logits", False):
        say(ROUTERS)
    trainer = _make_trainer(model, args, steps, prepared, precision, on_step)
    start = _start(model, recipe) if main else None
    if begun:
        run_folder.check_start(folder, start)
    # not before all that can be refused has been taken
    if begun and run_folder.is_claimed(folder):
        run_folder.renew(folder, prepared)
    elif main:
        run_folder.claim(folder, prepared, start)
    trainer.accelerator.wait_for_everyone()
    _give_reference(trainer, prepared, folder, say, start)
    resumed = checkpoints.last_good(folder)
    step = None
    if resumed is not None:
        step = int(json.loads((resumed / checkpoints.SEAL).read_text())["step"])
        say(f"going on from step {step} ({resumed})")
        trainer.restore(resumed)
    elif main:
        for name in ("metrics.jsonl", "samples.jsonl"):  # rows before the first checkpoint are run again
            (folder / name).unlink(missing_ok=True)
    with models.quiet():
        trainer.train(resume_from_checkpoint=None if resumed is None else str(resumed))
        _save_model(trainer, prepared, folder / "model")
    seconds = round(time.monotonic() - started, 1)
    if main:
        trainer.ledger.save(folder / "ledger.parquet")
        done = {"status": run_folder.DONE, "steps": trainer.state.global_step, "seconds": seconds}
        run_folder.note_down(folder, {**done, "data_digest": digest})
    trainer.accelerator.wait_for_everyone()
    return RunResult(
        folder=folder,
        model=folder / "model",
        steps=trainer.state.global_step,
        seconds=seconds,
        resumed_from=step,
        metrics=run_folder.last_metrics(folder),
    )


# ---- model, reference, trainer ----


def _is_first_rank() -> bool:
    """As launchers say it; asking accelerate here would fix its device before the arguments are known."""
    return int(os.environ.get("RANK", "0")) == 0


def _speaks_for_the_run() -> bool:
    """Whether this process may keep others out of the run folder: surely not those of its own run."""
    several = "RANK" not in os.environ and any(int(os.environ.get(name, "1")) > 1 for name in MPI_SIZES)
    return _is_first_rank() and not several


def _decide_precision(recipe: Recipe) -> Precision:
    import torch

    from gammapo.training.precision import decide

    on_cpu = (recipe.training.model_extra or {}).get("use_cpu") or not torch.cuda.is_available()
    return decide(
        recipe,
        # emulated, older GPUs have it too, slower than float32
        gpu_has_bfloat16=not on_cpu and torch.cuda.is_bf16_supported(including_emulation=False),
        launched_in=os.environ.get("ACCELERATE_MIXED_PRECISION", "no"),
    )


def _settle_memory() -> None:
    import torch

    from gammapo.memory import reuse_freed_memory

    if not torch.cuda.is_available():
        reuse_freed_memory()


def _gets_weights_from_the_first_rank() -> bool:
    """Whether this process takes its share of the weights from the first one: in runs that FSDP2 shards, as
    the launcher says it. Otherwise every process would read all of them before they are split."""
    from accelerate.utils import parse_flag_from_env

    sharded = parse_flag_from_env("ACCELERATE_USE_FSDP") and os.environ.get("FSDP_VERSION") == "2"
    return sharded and parse_flag_from_env("FSDP_CPU_RAM_EFFICIENT_LOADING") and not _is_first_rank()


def _load_model(recipe: Recipe, dtype: str) -> Any:
    weights = not _gets_weights_from_the_first_rank()
    four_bit = recipe.lora is not None and recipe.lora.base == "4bit"
    model = models.load_model(recipe.model.path, dtype=dtype, weights=weights, four_bit=four_bit)
    if recipe.lora is None:
        return model
    if four_bit:  # freezes the base, and keeps norms, embeddings and head in float32
        from peft import prepare_model_for_kbit_training

        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    return add_adapters(model, recipe.lora, recipe.training.seed)


def _start(model, recipe: Recipe) -> str | None:
    """A digest of what adapters are trained on top of. A checkpoint holds them alone, so that a resumed run
    would go on with whatever base is there by then. Without adapters it holds all weights."""
    from gammapo import logps

    return None if recipe.lora is None else logps.model_digest(model)


def _give_reference(trainer, prepared: Prepared, folder: Path, say, start: str | None) -> None:
    """Log-probs under the starting model, for a loss that compares with it; `start` is its digest, if known.

    They are read where the trainer put the model, by all ranks together. A sharded model can be read only
    once it is sharded, which the trainer does when it begins; of a run that goes on it holds trained weights
    by then, so the file that the run began with must be there.
    """
    if "reference" not in prepared.loss.needs | prepared.loss.uses:
        return
    cache = folder / "reference.parquet"

    def give(identity: str | None = None, must_exist: bool = False) -> None:
        say("reading the reference's log-probs")
        with trainer.accelerator.autocast():  # as the steps are read
            reference = logps.reference_logps(
                trainer.model,
                prepared.pairs,
                tokens_per_batch=prepared.recipe.training.tokens_per_batch,
                cache=cache,
                model_name=prepared.recipe.model.path,
                identity=identity,
                must_exist=must_exist,
            )
        sides = zip(prepared.pairs, reference.chosen.tolist(), reference.rejected.tolist(), strict=True)
        trainer.steps.pairs = [replace(p, reference_chosen=c, reference_rejected=r) for p, c, r in sides]

    def give_sharded() -> None:
        trained = trainer.state.global_step > 0
        give(f"the untrained model of this run, {prepared.recipe.model.path}", must_exist=trained)

    from gammapo import logps

    if trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled:
        trainer.before_training = give_sharded
    else:  # the first rank alone asks which model a file was made with, and the digest reads every weight
        give(start if trainer.is_world_process_zero() else "")


def _steps(prepared: Prepared, args: TrainingArguments) -> StepDataset:
    from gammapo.training.batches import StepDataset

    settings = prepared.recipe.training
    return StepDataset(
        prepared.pairs,
        pairs_per_step=settings.pairs_per_step,
        tokens_per_batch=settings.tokens_per_batch,
        seed=settings.seed,
        rank=args.process_index,
        world_size=args.world_size,
    )


def _make_trainer(model, args, steps: StepDataset, prepared: Prepared, precision: Precision, on_step) -> Any:
    from gammapo.training.trainer import PairTrainer

    return PairTrainer(
        model,
        args,
        steps,
        prepared.loss,
        Path(prepared.recipe.output),
        keep=prepared.recipe.training.save_total_limit,
        on_step=on_step,
        samples=_sampling_plan(prepared),
        masters=precision.masters,
        scaled=precision.scaled,
    )


def _sampling_plan(prepared: Prepared) -> Any:
    """(plan, tokenizer) of the answers to sample while training, or None."""
    from gammapo.training.sampling import SamplingPlan, choose_prompts

    settings = prepared.recipe.training
    if settings.sample_every is None:
        return None
    plan = SamplingPlan(
        every=settings.sample_every,
        prompts=choose_prompts(prepared.pairs, settings.samples, settings.seed),
        max_new_tokens=settings.sample_tokens,
        seed=settings.seed,
    )
    return plan, prepared.tokenizer


def _save_model(trainer, prepared: Prepared, target: Path) -> None:
    trainer.save_model(str(target))
    if trainer.is_world_process_zero():
        if not any(target.glob("*.safetensors")):  # some settings make transformers skip it silently
            raise RunError(
                f"{target}: the trained model was not saved whole; the last checkpoint is intact. Set "
                "fsdp_state_dict_type: FULL_STATE_DICT or zero3_save_16bit_model: true in the launcher's "
                "configuration, and run the same command again"
            )
        prepared.tokenizer.save_pretrained(target)
