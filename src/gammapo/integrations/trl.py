"""TRL's CPOTrainer and DPOTrainer with our losses, margins and ledger; tested against TRL 1.16.

    from gammapo.integrations.trl import DPOConfig, DPOTrainer
    args = DPOConfig("out", loss_type="gammapo", loss_options={"beta": 2.5, "gamma_beta_ratio": 1.0})
    trainer = DPOTrainer(model=model, args=args, train_dataset=dataset, processing_class=tokenizer)

CPO's trainer is for losses without a reference, DPO's for all. `loss_type` is any name that
`gammapo losses` lists, or `module:attribute`. Everything else is TRL's: data, collation, truncation, engines,
the routers' auxiliary loss of a mixture of experts.
The ledger is written beside the checkpoints and, at the end, to `output_dir/ledger.parquet`.

Each batch is a step to the loss: margins are solved over a batch of all ranks and the window of recent gaps,
not over the accumulated step as in `gammapo train`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from gammapo.errors import InputError, MissingExtraError
from gammapo.integrations.keeper import PAIR_ID, LossKeeper, metrics_of, with_ids
from gammapo.integrations.options import loss_of, one_name
from gammapo.types import LossOutput, PairLogps

if TYPE_CHECKING:
    CPOConfig: Any
    CPOTrainer: Any
    DPOConfig: Any
    DPOTrainer: Any

__all__ = ["CPOConfig", "CPOTrainer", "DPOConfig", "DPOTrainer"]


def __getattr__(name: str) -> Any:
    """The classes are made when they are first asked for, so that importing this module needs no TRL."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _classes()[name]


class OurLoss:
    """The parts that both trainers share. `keeper` has the loss, its state and the ledger."""

    keeper: LossKeeper
    resumed: Path | None = None  # the checkpoint that the present call of `train` goes on from

    def _keep(self: Any, config: Any) -> None:
        from accelerate.utils import gather_object
        from transformers import TrainerCallback

        begin = self._begin

        class Begin(TrainerCallback):
            def on_train_begin(self, args: Any, state: Any, control: Any, **known: Any) -> None:
                begin(state.max_steps, known["train_dataloader"])

        self.keeper = LossKeeper(
            loss_of(config),
            self.accelerator.gather,
            gather_object,
            self.accelerator.process_index,
            self.accelerator.num_processes,
        )
        self.add_callback(Begin())

    def _begin(self: Any, max_steps: int, batches: Any) -> None:
        """Plan the loss and go on with its state, as soon as the length of the run is known.

        Not in `_load_from_checkpoint`: that comes before the length is known, and DeepSpeed never calls it.
        """
        from transformers.trainer_utils import has_length

        accumulated = self.args.gradient_accumulation_steps
        epoch = len(batches) if has_length(batches) else None
        calls = max_steps * accumulated
        if epoch:  # the last step of an epoch may hold fewer batches
            epochs, steps = divmod(max_steps, -(-epoch // accumulated))
            calls = epochs * epoch + min(steps * accumulated, epoch)
        self.keeper.plan(calls, epoch)
        if self.resumed:
            self.keeper.load(self.resumed)

    def train(self: Any, resume_from_checkpoint: Any = None, *args: Any, **kwargs: Any) -> Any:
        if resume_from_checkpoint is True:
            from transformers.trainer_utils import get_last_checkpoint

            resume_from_checkpoint = get_last_checkpoint(self.args.output_dir) or True
        self.resumed = (
            Path(resume_from_checkpoint) if isinstance(resume_from_checkpoint, str | Path) else None
        )
        result = super().train(resume_from_checkpoint, *args, **kwargs)  # pyright: ignore[reportAttributeAccessIssue]
        if self.is_world_process_zero():
            self.keeper.ledger.save(Path(self.args.output_dir) / "ledger.parquet")
        return result

    def _output(self: Any, model: Any, logps: PairLogps, ids: list[str] | None) -> LossOutput:
        output = self.keeper(logps)
        if model.training and torch.is_grad_enabled():
            self.keeper.note(output, ids, self.state.global_step + 1, float(self.state.epoch or 0))
        return output

    def _mean_logps(self: Any, chosen: Any, rejected: Any) -> dict[str, Any]:
        """Over all ranks' pairs, as TRL logs them."""
        sides = {"logps/chosen": chosen, "logps/rejected": rejected}
        return {name: self.accelerator.gather(side.detach()).mean() for name, side in sides.items()}

    def _save_checkpoint(self: Any, model: Any, trial: Any) -> None:
        super()._save_checkpoint(model, trial)  # pyright: ignore[reportAttributeAccessIssue]
        self.keeper.save(Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}")


@cache
def _classes() -> dict[str, type]:
    try:
        from trl import DPOConfig, DPOTrainer
        from trl.experimental.cpo import CPOConfig, CPOTrainer
    except ImportError as error:
        raise MissingExtraError("trl", "trl", "gammapo.integrations.trl") from error
    made = [
        _cpo_config(CPOConfig),
        _cpo_trainer(CPOTrainer),
        _dpo_config(DPOConfig),
        _dpo_trainer(DPOTrainer),
    ]
    for kind in made:
        kind.__qualname__ = kind.__name__  # pickled by name, as checkpoints do with their arguments
    return {kind.__name__: kind for kind in made}


def _cpo_config(base: Any) -> type:
    @dataclass
    class CPOConfig(base):
        """TRL's CPOConfig. β and γ unset are the loss's own defaults, not TRL's 0.1 and 0.5."""

        # a parser of command lines gives these as JSON
        _VALID_DICT_FIELDS: ClassVar[list[str]] = [*base._VALID_DICT_FIELDS, "loss_options"]

        loss_type: str = "gamma_simpo"  # gammapo itself wants a reference, which CPOTrainer has not
        loss_options: dict[str, Any] | str | None = None
        beta: float | None = None
        simpo_gamma: float | None = None
        cpo_alpha: float | None = None
        loss_name: str | None = None  # set here; TRL's own code sees a loss_type that it knows

        def __post_init__(self):
            self.loss_name = self.loss_name or one_name(self.loss_type)
            self.loss_type = "sigmoid"
            super().__post_init__()

    return CPOConfig


def _dpo_config(base: Any) -> type:
    @dataclass
    class DPOConfig(base):
        """TRL's DPOConfig. β unset is the loss's own default, not TRL's 0.1."""

        _VALID_DICT_FIELDS: ClassVar[list[str]] = [*base._VALID_DICT_FIELDS, "loss_options"]

        loss_type: list[str] = field(default_factory=lambda: ["dpo"])  # one, or its name alone
        loss_options: dict[str, Any] | str | None = None
        beta: float | None = None
        loss_name: str | None = None

        def __post_init__(self):
            self.loss_name = self.loss_name or one_name(self.loss_type)
            self.loss_type = ["sigmoid"]
            super().__post_init__()

    return DPOConfig


def _cpo_trainer(base: Any) -> type:
    class CPOTrainer(OurLoss, base):
        """TRL's CPOTrainer, its loss replaced. There is no cloning term."""

        def __init__(self, model: Any = None, args: Any = None, train_dataset: Any = None, **kwargs: Any):
            loss = loss_of(args)
            if "reference" in loss.needs:
                raise InputError(
                    f"loss {loss.name!r} needs a reference model, and CPOTrainer has none",
                    field="loss_type",
                    fix="use DPOTrainer from gammapo.integrations.trl",
                )
            _refuse_scores(loss)
            given = {"model": model, "args": args, "train_dataset": with_ids(train_dataset)}
            super().__init__(**given, **kwargs)
            self.cpo_alpha = 0.0
            self._keep(args)

        def get_batch_loss_metrics(self, model: Any, batch: Any, train_eval: str = "train") -> Any:
            chosen, rejected, *more = self.concatenated_forward(model, batch)
            lengths = [
                (batch[f"{side}_labels"][:, 1:] != -100).sum(1).to(chosen) for side in ("chosen", "rejected")
            ]
            logps = PairLogps(
                chosen=chosen, rejected=rejected, chosen_length=lengths[0], rejected_length=lengths[1]
            )
            output = self._output(model, logps, batch.get(PAIR_ID))
            prefix = "eval_" if train_eval == "eval" else ""
            values = {**metrics_of(output), **self._mean_logps(chosen, rejected)}
            loss = output.loss
            if self.aux_loss_enabled:  # of the routers of a mixture of experts, the last that is returned
                loss = loss + self.aux_loss_coef * more[-1]
            return loss, {prefix + name: value.item() for name, value in values.items()}

    return CPOTrainer


def _dpo_trainer(base: Any) -> type:
    class DPOTrainer(OurLoss, base):
        """TRL's DPOTrainer, its loss replaced."""

        def __init__(self, model: Any = None, args: Any = None, train_dataset: Any = None, **kwargs: Any):
            loss = loss_of(args)
            _refuse_scores(loss)
            self.compares = "reference" in loss.needs | loss.uses
            given = {"model": model, "args": args, "train_dataset": with_ids(train_dataset)}
            with nullcontext() if self.compares else _without_reference(loss, args, train_dataset, kwargs):
                super().__init__(**given, **kwargs)
            self.precompute_ref_logps = args.precompute_ref_log_probs and self.compares
            self.data_collator = _CollateWithIds(self.data_collator)
            self._keep(args)

        def _precompute_ref_logps(self, dataset: Any, *args: Any, **kwargs: Any) -> Any:
            return super()._precompute_ref_logps(dataset, *args, **kwargs) if self.compares else dataset

        def _set_signature_columns_if_needed(self) -> None:
            super()._set_signature_columns_if_needed()
            if PAIR_ID not in self._signature_columns:
                self._signature_columns.append(PAIR_ID)

        def _compute_loss(self, model: Any, inputs: Any, return_outputs: bool) -> Any:
            inputs = dict(inputs)
            ids = inputs.pop(PAIR_ID, None)
            mask = inputs["completion_mask"]
            known = {"completion_mask", "ref_chosen_logps", "ref_rejected_logps"}
            given = {key: value for key, value in inputs.items() if key not in known}
            if self.aux_loss_enabled:
                given["output_router_logits"] = True
            labels = inputs["input_ids"].masked_fill(mask == 0, -100)
            outputs = model(**given, use_cache=False, labels=labels, fused_lm_head=True)
            shifted = mask[:, 1:]
            chosen, rejected = outputs.log_probs[:, -shifted.size(1) :].sum(1).chunk(2)
            chosen_length, rejected_length = shifted.sum(1).to(chosen).chunk(2)
            reference = self._reference(inputs)
            logps = PairLogps(
                chosen=chosen,
                rejected=rejected,
                chosen_length=chosen_length,
                rejected_length=rejected_length,
                reference_chosen=reference[0],
                reference_rejected=reference[1],
            )
            output = self._output(model, logps, ids)
            mode = "train" if model.training else "eval"
            values = {**metrics_of(output), **self._mean_logps(chosen, rejected)}
            loss = output.loss
            if self.aux_loss_enabled:
                loss = loss + self.router_aux_loss_coef * outputs.aux_loss
                values["aux_loss"] = self.accelerator.gather_for_metrics(outputs.aux_loss.detach()).mean()
            for name, value in values.items():
                self._metrics[mode][name].append(value.item())
            if return_outputs:  # for compute_metrics; the fused head has built no logits
                with torch.no_grad():
                    outputs = model(**given, use_cache=False)
            return (loss, outputs) if return_outputs else loss

        def _reference(self, inputs: Any) -> tuple[Any, Any]:
            """Log-probs of both sides under the reference, only if the loss asks for them."""
            if not self.compares:
                return None, None
            if self.precompute_ref_logps:
                return inputs["ref_chosen_logps"], inputs["ref_rejected_logps"]
            return self.compute_ref_log_probs(self.ref_model or self.model, inputs)

    return DPOTrainer


@contextmanager
def _without_reference(loss: Any, args: Any, train_dataset: Any, given: Mapping[str, Any]) -> Iterator[None]:
    """While open, TRL's trainer is built without the reference model, which nothing would ask.

    TRL leaves it out where log-probs under it are computed beforehand, as it is told here; then the trainer
    computes none. With images TRL cannot, and under FSDP it reads one and lets it go.

    Raises:
        InputError: a reference was given, or asked to follow the model.
    """
    for name, value in (("ref_model", given.get("ref_model")), ("sync_ref_model", args.sync_ref_model)):
        if value:
            raise InputError(
                f"loss {loss.name!r} compares with no reference, and {name} would be ignored",
                field=name,
                fix=f"leave {name} out, or take a loss with a reference",
            )
    before = args.precompute_ref_log_probs
    args.precompute_ref_log_probs = not {"image", "images"} & set(next(iter(train_dataset or ()), ()))
    try:
        yield
    finally:
        args.precompute_ref_log_probs = before


class _CollateWithIds:
    """TRL's collator for preferences, with the pairs' ids passed through."""

    def __init__(self, collator: Any):
        self.collator = collator

    def __call__(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        batch = self.collator(examples)
        if PAIR_ID in examples[0]:
            batch[PAIR_ID] = [example[PAIR_ID] for example in examples]
        return batch


def _refuse_scores(loss: Any) -> None:
    if "scores" in loss.needs:
        raise InputError(
            f"loss {loss.name!r} needs scores, which TRL's collators drop",
            field="loss_type",
            fix="use `gammapo train`, or a loss without scores",
        )
