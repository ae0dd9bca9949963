"""A plan in words: rows for a table, or one JSON-ready mapping."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from gammapo.planning.inputs import describe_inputs
from gammapo.planning.memory import GIB
from gammapo.planning.plan import HEADROOM, SIZES, RunPlan, assumed_share
from gammapo.planning.shape import ModelShape
from gammapo.training.prepare import Prepared

Rows = list[tuple[str, str]]


def sections(prepared: Prepared, shape: ModelShape, plan: RunPlan) -> dict[str, Rows]:
    """Title → rows, in the order to print."""
    return {
        "objective": [("effective", prepared.loss.objective)],
        "data": [("", note) for note in prepared.notes] + describe_inputs(prepared),
        "schedule": _schedule(prepared, plan),
        f"memory of one GPU, projected ({_machines(plan)})": _memory(shape, plan),
        "time, projected": _time(plan),
    }


def as_dict(prepared: Prepared, shape: ModelShape, plan: RunPlan) -> dict[str, Any]:
    """The plan as JSON; bytes and GiB as numbers."""
    return {
        "objective": prepared.loss.objective,
        "notes": prepared.notes,
        "inputs": dict(describe_inputs(prepared)),
        "model": asdict(shape),
        "plan": asdict(plan) | {"verdict": "fits" if plan.verdict else "does not fit"},
        "assumptions": {"share_of_peak": assumed_share(), "headroom": HEADROOM},
    }


def _schedule(prepared: Prepared, plan: RunPlan) -> Rows:
    settings = prepared.recipe.training
    per_step = f"{settings.pairs_per_step} pairs a step"
    if plan.last_step_pairs != settings.pairs_per_step:
        per_step += f", {plan.last_step_pairs} in an epoch's last"
    if plan.left_out:
        per_step += f"; {plan.left_out} pairs are left out, too few for {plan.gpus} GPUs"
    epochs = plan.steps / plan.steps_per_epoch  # not num_train_epochs, which max_steps overrules
    return [
        ("steps", f"{plan.steps} over {epochs:.3g} epoch(s) of {plan.pairs} pairs; {per_step}"),
        (
            "learning rate",
            f"{settings.lr_scheduler_type}, peak {settings.learning_rate:g} "
            + (f"after {plan.warmup_steps} steps" if plan.warmup_steps else "from the first step"),
        ),
        (
            "micro-batches",
            f"at most {plan.micro_batches} a GPU and step, of at most {plan.micro_batch_tokens} tokens",
        ),
        ("longest pair", f"{plan.longest_pair} tokens, prompt read once"),
    ]


def _memory(shape: ModelShape, plan: RunPlan) -> Rows:
    rows = [(name, f"{size / GIB:7.1f} GiB") for name, size in plan.memory.parts().items()]
    total = plan.memory.total / GIB
    verdict = "fits" if plan.verdict else "DOES NOT FIT"
    rows.append(("in all", f"{total:7.1f} GiB of {plan.gpu_memory:g}: {verdict}"))
    rows.append(("parameters", f"{shape.parameters / 1e9:.2f} billion"))
    for gpus, need in plan.fits.items():
        size = next((size for size in SIZES if need <= HEADROOM * size), None)
        fitting = f"fits GPUs of {size} GiB" if size else f"fits no GPU of {SIZES[-1]} GiB"
        rows.append((f"on {gpus} GPU{'s' if gpus > 1 else ''}", f"{need:7.1f} GiB each: {fitting}"))
    return rows


def _machines(plan: RunPlan) -> str:
    engine = f", {plan.engine}" if plan.gpus > 1 else ""
    return f"{plan.gpus} × {plan.gpu_memory:g} GiB{engine}"


def _time(plan: RunPlan) -> Rows:
    basis = f"{100 * assumed_share():.0f} % of {plan.peak_tflops:g} TFLOP/s assumed, not measured"
    return [
        ("training", f"{plan.hours:.2f} h on {plan.gpus} GPU(s): {plan.hours * plan.gpus:.1f} GPU-hours"),
        ("work", f"{plan.flops:.3g} floating-point operations; {basis}"),
    ]
