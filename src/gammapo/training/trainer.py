"""The pair trainer: `transformers.Trainer` for everything around the optimiser step, ours for the step."""

from __future__ import annotations

import contextlib
import json
import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader
from transformers import Trainer, TrainerCallback, TrainingArguments

from gammapo import files, logps
from gammapo.errors import InputError, RunError
from gammapo.losses.spec import Loss
from gammapo.training import checkpoints, sampling
from gammapo.training.batches import StepBatch, StepDataset
from gammapo.training.ledger import Ledger
from gammapo.training.metrics import Meter, step_metrics
from gammapo.training.precision import check_masters, keep_sums_wide, loss_scale
from gammapo.training.sampling import SamplingPlan
from gammapo.training.step import Machinery, accumulate_gradients
from gammapo.training.watch import Watch
from gammapo.types import PairLogps, TokenizedPair

logger = logging.getLogger(__name__)
STATE = "loss_state.pt"
LEDGER = "ledger.parquet"
METRICS = "metrics.jsonl"
STEP = "step"  # the trainer's own code expects a mapping, so the step travels in one


class PairTrainer(Trainer):
    """Trains on `StepDataset` items: one item is one optimiser step, cut into micro-batches.

    Args:
        model: a causal language model, plain or with adapters.
        args: TrainingArguments with per_device_train_batch_size=1 and gradient_accumulation_steps=1, since
            an item is a whole step.
        steps: the steps as this rank sees them.
        loss: see `losses.create`.
        run: the run folder; `metrics.jsonl` and checkpoints go there.
        keep: number of checkpoints to keep.
        on_step: called as (step, steps in all) after each optimiser step on the first rank.
        samples: which answers to sample while training, and the tokenizer to read them with; None for none.
        masters: the type that the trained weights and their optimiser state must have; None checks nothing.
        scaled: whether the model computes in float16, so that the loss must be scaled.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        args: TrainingArguments,
        steps: StepDataset,
        loss: Loss,
        run: Path,
        *,
        keep: int = 2,
        on_step: Callable[[int, int], None] | None = None,
        samples: tuple[SamplingPlan, Any] | None = None,
        masters: str | None = None,
        scaled: bool = False,
    ):
        self.steps, self.loss, self.run, self.keep = steps, loss, run, keep
        self.samples, self.masters, self.watch = samples, masters, Watch()
        self.before_training: Callable[[], None] | None = None  # called when the model lies where it trains
        self.loss_state: Mapping[str, Tensor] | None = None
        self.ledger, self.meter = Ledger(), Meter()
        self._batch: StepBatch | None = None
        super().__init__(model=model, args=args, train_dataset=steps)  # pyright: ignore[reportArgumentType]
        keep_sums_wide(self.accelerator.state)
        self.scaled = scaled and not self.is_deepspeed_enabled
        if scaled and not self.scaled:  # its backward pass takes the step as well
            logger.warning(
                "under DeepSpeed the float16 loss is not scaled, and gradients below 6e-8 are lost"
            )
        self.callback_handler.callbacks = [
            callback
            for callback in self.callback_handler.callbacks
            if type(callback).__name__ not in {"PrinterCallback", "ProgressCallback"}
        ]
        self.add_callback(_Epochs(steps))
        self.add_callback(_Progress(on_step))
        self.add_callback(_Beginning(self))

    # ---- the step ----

    def _run_epoch(self, *args, **kwargs):
        """None where all steps are done: transformers looks at `max_steps` only after a step, so a run killed
        between its last checkpoint and its end would take one too many."""
        if self.state.global_step < self.state.max_steps:
            super()._run_epoch(*args, **kwargs)

    def get_train_dataloader(self) -> DataLoader:
        """One item per optimiser step; the data set knows its rank, so nothing is left to shard."""
        return DataLoader(self.steps, batch_size=1, shuffle=False, collate_fn=_only)  # pyright: ignore[reportArgumentType]

    def training_step(self, model, inputs, num_items_in_batch=None) -> Tensor:
        del num_items_in_batch
        batch: StepBatch = inputs[STEP]  # pyright: ignore[reportAssignmentType]
        self._batch = batch
        model.train()
        scale = loss_scale(len(batch.ids)) if self.scaled else 1.0
        machinery = Machinery(
            forward=lambda index, pairs: self._forward(model, index, pairs),
            backward=self.accelerator.backward,
            guard=lambda last: self._guard(model, last),
            gather=lambda local, at: self._gather(local, at, batch),
            gradient_scale=self.args.world_size * scale,
        )
        result = accumulate_gradients(
            batch.micro_batches,
            batch.plan.parts[self.args.process_index],
            len(batch.ids),
            self.loss,
            self.loss_state,
            machinery,
        )
        for weight in model.parameters() if self.scaled else ():
            if weight.grad is not None:
                weight.grad.div_(scale)
        self.loss_state = result.output.state
        if self.is_world_process_zero():
            step = self.state.global_step + 1
            self.ledger.add(batch.ids, step, step / len(self.steps), result.output)
            self.meter.add(step_metrics(result), pairs=len(batch.ids), tokens=batch.tokens)
        self._per_pair = result.output.per_pair
        return result.output.loss.detach()

    def _forward(self, model: torch.nn.Module, index: int, pairs: Sequence[TokenizedPair]) -> PairLogps:
        # dropout must fall alike when a micro-batch is read twice, and after a resume
        torch.manual_seed(hash((self.args.seed, self.state.global_step, self.args.process_index, index)))
        with self.compute_loss_context_manager():
            return logps.pair_logps(model, pairs)

    @contextlib.contextmanager
    def _guard(self, model: torch.nn.Module, last: bool) -> Iterator[None]:
        self.accelerator.gradient_state._set_sync_gradients(last)
        # where FSDP2 defers, each rank holds all gradients whole; summed at once, it keeps its share only
        at_once = last or self.accelerator.is_fsdp2
        with contextlib.nullcontext() if at_once else self.accelerator.no_sync(model):
            yield

    def _gather(self, local: Tensor, positions: Sequence[int], batch: StepBatch) -> Tensor:
        """(b, K) of this rank → (B, K) of the step in its own order, on every rank."""
        whole = local.new_empty((len(batch.ids), local.shape[1]))
        if self.args.world_size == 1:
            whole[list(positions)] = local
            return whole
        everyone = [[at for micro in rank for at in micro] for rank in batch.plan.parts]
        longest = max(len(rank) for rank in everyone)
        padded = torch.nn.functional.pad(local, (0, 0, 0, longest - len(local)))
        gathered = self.accelerator.gather(padded).view(self.args.world_size, longest, -1)  # pyright: ignore
        for rank, at in enumerate(everyone):
            whole[at] = gathered[rank, : len(at)]
        return whole

    # ---- guards and logging ----

    def check_masters(self) -> None:
        if self.masters is not None and self.model is not None:
            names = {id(weight): name for name, weight in self.model.named_parameters()}
            check_masters(names, self.optimizer, self.masters)

    def _get_grad_norm(self, model, grad_norm=None):
        """The gradient norm, refused before the optimiser sees it if anything in the step is not finite."""
        norm = super()._get_grad_norm(model, grad_norm)
        if isinstance(norm, Tensor) and hasattr(norm, "full_tensor"):  # FSDP2's norm is spread over the ranks
            norm = norm.full_tensor()  # pyright: ignore[reportAttributeAccessIssue]
        finite = torch.isfinite(self._per_pair).all()
        if isinstance(norm, Tensor):
            finite = finite & torch.isfinite(norm).to(finite.device)
        elif norm is not None and not math.isfinite(norm):
            finite = torch.zeros_like(finite)
        if not bool(finite):
            raise RunError(self._explain_not_finite())
        return norm

    def _explain_not_finite(self) -> str:
        batch = self._batch
        assert batch is not None
        bad = [
            one for one, ok in zip(batch.ids, torch.isfinite(self._per_pair).tolist(), strict=True) if not ok
        ]
        what = "the loss of pairs " + ", ".join(bad[:8]) if bad else "the gradient"
        among = "" if bad else " of a step with pairs " + ", ".join(batch.ids[:8])
        # DeepSpeed's backward pass takes the step as well
        done = "the weights in memory are spoilt" if self.is_deepspeed_enabled else "nothing was updated"
        return (
            f"step {self.state.global_step + 1}: {what}{among} is not a finite number; {done}. "
            "Lower training.learning_rate or loss.beta, use model.dtype=float32, or remove the pairs; "
            "the last checkpoint is intact"
        )

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        if "loss" not in logs:  # the summary at the end
            super().log(logs, start_time)
            return
        self.ledger.flush()
        logs = {**logs, **self.meter.read()}
        if self.samples and self.samples[0].due(self.state.global_step, int(self.args.logging_steps)):
            logs |= self.sample()
        self._record(logs, start_time)

    def _record(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Give a row to the trackers, the run folder and the watch."""
        super().log(logs, start_time)
        if self.is_world_process_zero():
            row = {"step": self.state.global_step, "epoch": self.state.epoch or 0.0, **logs}
            path = self.run / METRICS
            with files.writing(path), path.open("a", encoding="utf-8") as out:
                out.write(json.dumps(row) + "\n")
            self.watch.see(row)

    def sample(self) -> dict[str, float]:
        """Sample the plan's answers from the model as it is, note them, and measure them."""
        assert self.samples is not None
        plan, tokenizer = self.samples
        model = self.accelerator.unwrap_model(self.model)
        answers = sampling.sample_answers(model, tokenizer, plan, self.accelerator.autocast())
        if self.is_world_process_zero():
            sampling.write_samples(self.run / sampling.FILE, self.state.global_step, plan, answers, tokenizer)
        self.meter.restart_clock()
        return sampling.sample_metrics(answers)

    def floating_point_ops(self, inputs: Any) -> int:
        return 0  # the library's estimate assumes padded inputs; throughput is reported in useful tokens

    # ---- checkpoints ----

    def _get_output_dir(self, trial: Any) -> str:
        return str(checkpoints.staging(self.run))

    def _save_checkpoint(self, model, trial) -> None:
        super()._save_checkpoint(model, trial)
        step = self.state.global_step
        if self.is_world_process_zero():
            staged = checkpoints.staging(self.run) / f"checkpoint-{step}"
            torch.save(dict(self.loss_state or {}), staged / STATE)
            self.ledger.save(staged / LEDGER)
        self.accelerator.wait_for_everyone()
        if self.is_world_process_zero():
            checkpoints.commit(self.run, step, self.keep)
        self.accelerator.wait_for_everyone()

    def restore(self, checkpoint: Path) -> None:
        """Load what is ours from a checkpoint; `train(resume_from_checkpoint=…)` loads the rest."""
        # not straight to the device: torch cannot load to "cpu:0", which it is where processes share a CPU
        state = torch.load(checkpoint / STATE, weights_only=True, map_location="cpu")
        self.loss_state = {name: value.to(self.args.device) for name, value in state.items()} or None
        if self.is_world_process_zero():
            self.ledger.load(checkpoint / LEDGER)
            step = json.loads((checkpoint / checkpoints.SEAL).read_text())["step"]
            for name in (METRICS, sampling.FILE):
                rewind_rows(self.run / name, step)
            self.watch.recall(read_rows(self.run / METRICS))


class _Beginning(TrainerCallback):
    """What is done once the model lies where it trains: checks, the reference, a sample to compare with."""

    def __init__(self, trainer: PairTrainer):
        self.trainer, self.first = trainer, True

    def on_train_begin(self, args, state, control, **kwargs):
        self.trainer.check_masters()
        if self.trainer.before_training is not None:
            self.trainer.before_training()
        if self.trainer.samples and state.global_step == 0:
            self.trainer._record(self.trainer.sample())
        self.trainer.meter.restart_clock()
        self.first = True

    def on_step_end(self, args, state, control, **kwargs):
        if self.first:
            self.trainer.check_masters()  # once more, now that the optimiser has its state
            self.first = False


class _Epochs(TrainerCallback):
    """Tells the data set which epoch begins, also after a resume in the middle of one."""

    def __init__(self, steps: StepDataset):
        self.steps = steps

    def on_epoch_begin(self, args, state, control, **kwargs):
        self.steps.set_epoch(state.global_step // len(self.steps))


class _Progress(TrainerCallback):
    def __init__(self, on_step: Callable[[int, int], None] | None):
        self.on_step = on_step

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step >= state.max_steps and args.logging_strategy != "no":
            control.should_log = True  # also where logging_steps does not divide the run
        if self.on_step is not None and state.is_world_process_zero:
            self.on_step(state.global_step, state.max_steps)


def _only(items: list[StepBatch]) -> dict[str, StepBatch]:
    return {STEP: items[0]}


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a file that is appended to; a last line that a kill cut short is left out."""
    lines = _lines(path)
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError as error:
            if number < len(lines):
                raise InputError(
                    f"not valid JSON: {error.msg}", file=path, line=number, fix="remove the line"
                ) from error
    return rows


def rewind_rows(path: Path, step: int) -> None:
    """Drop rows after `step`, written by a run that was killed before its next checkpoint."""
    if path.exists():
        files.write_jsonl(path, [row for row in read_rows(path) if row["step"] <= step])


def _lines(path: Path) -> list[str]:
    return files.split_lines(path.read_text(encoding="utf-8")) if path.exists() else []
