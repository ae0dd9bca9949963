"""transformers' TrainingArguments of a recipe: which keys and values they take, tried before a run begins."""

from __future__ import annotations

import importlib.util
import logging
import math
import os
import typing
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pydantic

from gammapo import models
from gammapo.errors import InputError, nearest
from gammapo.training.argument_keys import MANAGED, REFUSED, UNEVALUATED, UNFIT

if TYPE_CHECKING:
    from transformers import TrainingArguments

    from gammapo.training.recipe import Recipe, TrainingSection

logger = logging.getLogger(__name__)
OWN = (
    "pairs_per_step",
    "tokens_per_batch",
    "warmup_ratio",
    "save_total_limit",
    "sample_every",
    "samples",
    "sample_tokens",
)  # never given to transformers
RULED = {"lr_scheduler_type", "save_steps"}  # keys of the section for which transformers has rules of its own
# whether these can be taken depends on machine and launcher, so only the run itself can tell
OF_THE_PLACE = {
    *"tf32 deepspeed fsdp fsdp_config parallelism_config accelerator_config".split(),
}
OF_TORCH = {"adamw_torch", "adamw_torch_fused", "sgd", "adagrad", "rmsprop", "adafactor"}  # need no package
OF_THE_MODEL = ("galore", "apollo")  # optimisers that look at it, as only the trainer can
# what transformers and torch refuse values with
FAULTS = (ValueError, TypeError, KeyError, ArithmeticError, NotImplementedError)
# of Liger's kernels those for which there is none here; its head would not give log-probs
LIGER = {"rms_norm": False, "cross_entropy": False, "fused_linear_cross_entropy": False}
WARMED = "lr_scheduler_type=constant_with_warmup"
CHANGE = "change the recipe, or give it on the command line as key=value"


def checked(settings: TrainingSection) -> TrainingSection:
    """The section once transformers takes what it is handed; a switch or whole number is of its own type.

    Raises:
        InputError: a key that TrainingArguments has not or that gammapo sets itself, or a value that they,
            the optimiser or the schedule refuse.
    """
    extra = settings.model_extra or {}
    if not extra and not settings.model_fields_set & RULED:
        return settings  # all else is checked by its type, without waiting for transformers to be imported
    from transformers import TrainingArguments

    kinds = typing.get_type_hints(TrainingArguments)
    _check_keys(extra, list(kinds), list(type(settings).model_fields))
    settings = settings.model_copy(
        update={key: _typed(key, value, kinds[key]) for key, value in extra.items()}
    )
    _check_names(settings)
    settings = _with_one_warm_up(settings)
    if settings.sample_every is not None and extra.get("logging_strategy", "steps") != "steps":
        raise InputError(
            f"samples are drawn when metrics are logged, and that is set to {extra['logging_strategy']!r}",
            field="training.sample_every",
            expected="logging_strategy: steps",
            fix="remove logging_strategy, or sample_every",
        )
    if "RANK" not in os.environ and "ACCELERATE_USE_DEEPSPEED" not in os.environ:
        # a launched run tries its own arguments, which may join its processes together, a moment later
        _check_together(settings)
    return settings


def make_arguments(recipe: Recipe, more: Mapping[str, Any]) -> TrainingArguments:
    """The arguments of a run, which take up its device and start the process group where there is one.

    Raises:
        InputError: values that cannot be had on this machine.
    """
    import torch
    from transformers import TrainingArguments

    place = {"output_dir": recipe.output, "use_cpu": not torch.cuda.is_available()}
    try:
        args = TrainingArguments(**{**place, **_always(recipe.training), **more, **_given(recipe.training)})
        _ = args.device
        _take_one_gpu(args)
        _build(args)
    except (*FAULTS, ImportError) as error:
        raise InputError(
            f"these settings cannot be trained with here: {_words(error)}",
            field="training",
            fix="change the recipe, or how it is launched",
        ) from error
    return args


def _take_one_gpu(args: Any) -> None:
    """One process takes one GPU; transformers would split each packed row of pairs over all it sees."""
    if args.n_gpu > 1:
        logger.warning(
            "%s GPUs are visible and this one process trains on the first; to use them all, start it with "
            "scripts/start.sh or accelerate launch",
            args.n_gpu,
        )
        args._n_gpu = 1


def _always(settings: TrainingSection) -> dict[str, Any]:
    return {
        "per_device_train_batch_size": 1,  # an item is a whole optimiser step
        "gradient_accumulation_steps": 1,
        "warmup_steps": settings.warmup_ratio,
        "remove_unused_columns": False,
        "ddp_find_unused_parameters": False,
        "logging_nan_inf_filter": False,  # hides what the guard must see
        "save_strategy": "steps",
        "logging_strategy": "steps",
        "disable_tqdm": True,
        "report_to": "none",
        "liger_kernel_config": LIGER,
    }


def _given(settings: TrainingSection) -> dict[str, Any]:
    return settings.model_dump(exclude=set(OWN))


# ---- one key at a time ----


def _check_keys(extra: Mapping[str, Any], known: list[str], own: list[str]) -> None:
    taken = {*own, *known} - MANAGED.keys() - REFUSED.keys()
    for key in extra:
        if key in MANAGED:
            raise InputError(
                "gammapo sets this itself", field=f"training.{key}", fix=f"set {MANAGED[key]} instead"
            )
        if key in REFUSED and extra[key] is not None and extra[key] is not False:  # what is off does no harm
            raise InputError(
                f"cannot be taken: {REFUSED[key]}",
                field=f"training.{key}",
                fix="remove the key",
            )
        if key not in known:
            raise InputError(
                f"unknown key {key!r}",
                field=f"training.{key}",
                expected=nearest(key, sorted(taken)),
                fix="correct the key or remove it",
            )


def _typed(key: str, value: Any, kind: Any) -> Any:
    """The value as its key's type has it; transformers itself takes bf16=maybe for true."""
    config = pydantic.ConfigDict(
        allow_inf_nan=False,
        coerce_numbers_to_str=True,
        arbitrary_types_allowed=True,
    )
    try:
        taken = pydantic.TypeAdapter(kind, config=config).validate_python(value)
    except pydantic.ValidationError as error:
        raise InputError(
            f"got {value!r}",
            field=f"training.{key}",
            expected=error.errors()[0]["msg"].removeprefix("Input should be "),
            fix=CHANGE,
        ) from error
    # 1e3 steps are 1000, "off" is false, and a run named 2026 has a name
    return taken if type(taken) in (bool, int, float, str) else value


def _check_names(settings: TrainingSection) -> None:
    from transformers import SchedulerType
    from transformers.training_args import OptimizerNames

    for key, names in (("optim", OptimizerNames), ("lr_scheduler_type", SchedulerType)):
        known = [str(one.value) for one in names]
        value = getattr(settings, key, None)
        if value is not None and value not in known:
            raise InputError(
                f"got {value!r}", field=f"training.{key}", expected=nearest(str(value), known), fix=CHANGE
            )
    optimiser = str((settings.model_extra or {}).get("optim"))
    if why := next((why for part, why in UNFIT.items() if part in optimiser), None):
        raise InputError(
            f"{optimiser} cannot be taken: {why}",
            field="training.optim",
            expected="one that updates once a step, such as adamw_torch",
            fix=CHANGE,
        )


# ---- warm-up ----


def warmup_steps(settings: TrainingSection, steps: int) -> int:
    """Steps of warm-up in a run of so many, as transformers counts them."""
    given = (settings.model_extra or {}).get("warmup_steps", settings.warmup_ratio)
    return int(given) if given >= 1 else math.ceil(steps * given)


def _with_one_warm_up(settings: TrainingSection) -> TrainingSection:
    """The section with a warmup_ratio of 0 where it has no say: beside warmup_steps, or without a warm-up."""
    rival = next((key for key in (settings.model_extra or {}) if key == "warmup_steps"), None)
    if settings.lr_scheduler_type == "constant":
        rival = "lr_scheduler_type=constant"
        if (settings.model_extra or {}).get("warmup_steps"):
            raise InputError(
                f"{rival} has no warm-up", field="training.warmup_steps", fix=f"remove it, or take {WARMED}"
            )
    if rival is None or not settings.warmup_ratio:
        return settings
    if "warmup_ratio" in settings.model_fields_set:
        raise InputError(
            f"got {settings.warmup_ratio:g}, which {rival} would leave without effect",
            field="training.warmup_ratio",
            expected="one of them",
            fix="remove it" if rival == "warmup_steps" else f"set it to 0, or take {WARMED}",
        )
    return settings.model_copy(update={"warmup_ratio": 0.0})


# ---- all together ----


def _check_together(settings: TrainingSection) -> None:
    values = {key: value for key, value in _given(settings).items() if key not in OF_THE_PLACE}
    problem = _refusal(settings, values)
    if problem is None:
        return
    # at fault is the key without which the others would do; where there is none, several are
    for key, value in values.items():
        if _refusal(settings, {name: one for name, one in values.items() if name != key}) is None:
            raise InputError(f"got {value!r}: {problem}", field=f"training.{key}", fix=CHANGE)
    raise InputError(problem, field="training", fix=CHANGE)


def _refusal(settings: TrainingSection, values: Mapping[str, Any]) -> str | None:
    """Why transformers or torch cannot train with these values on any machine, in their words."""
    import torch
    from transformers import TrainingArguments

    class Trial(TrainingArguments):
        """The same checks, without taking up a device or starting a process group."""

        device = property(lambda self: torch.device("cpu"))  # pyright: ignore[reportIncompatibleMethodOverride]

    try:
        with models.quiet():
            trial = Trial(**{"output_dir": "trial", **_always(settings), **values, "use_cpu": True})
            _build(trial)
    except ImportError:  # of a package that the machine which trains may have
        return None
    except FAULTS as error:
        return _words(error)
    return None


def _build(args: TrainingArguments) -> None:
    """Build optimiser and schedule as the trainer will, over one weight, which is what checks most values."""
    import torch
    from transformers import get_scheduler

    if args.eval_strategy != "no" or args.eval_on_start:
        raise ValueError(UNEVALUATED)
    if args.save_strategy == "best":
        raise ValueError(f"{UNEVALUATED}, so that no checkpoint would ever be the best")
    if args.use_liger_kernel and importlib.util.find_spec("liger_kernel") is None:
        raise ValueError("use_liger_kernel needs the package liger-kernel (pip install 'gammapo[liger]')")
    weight = torch.nn.Parameter(torch.zeros(1, device=args.device))
    kind, options = _optimiser(args)
    get_scheduler(
        args.lr_scheduler_type,
        optimizer=kind([weight], **options),
        num_warmup_steps=args.get_warmup_steps(1000),
        num_training_steps=1000,
        scheduler_specific_kwargs=args.lr_scheduler_kwargs,  # pyright: ignore[reportArgumentType]
    )


def _optimiser(args: TrainingArguments) -> tuple[Any, dict[str, Any]]:
    """Class and options of a PyTorch optimiser; SGD in place of one of another package, which may need the
    model and of which only the settings are asked.

    Raises:
        ImportError: its package is not installed.
    """
    import torch
    from transformers import Trainer

    name = str(getattr(args.optim, "value", args.optim))
    try:
        found = Trainer.get_optimizer_cls_and_kwargs(args)
        if name in OF_TORCH:
            return found
    except ValueError as error:
        if any(word in str(error).lower() for word in ("install", "import")):  # so some say it
            raise ImportError(str(error)) from error
        if not name.startswith(OF_THE_MODEL):
            raise
    return torch.optim.SGD, {"lr": args.learning_rate}


def _words(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
