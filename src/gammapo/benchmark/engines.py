"""Where runs run: processes on this machine, or Ray on many. Failures are outcomes too."""

from __future__ import annotations

import math
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any

from gammapo.errors import InputError, MissingExtraError, RunError, nearest
from gammapo.memory import reuse_freed_memory

Spec = Mapping[str, Any]
Work = Callable[[Spec], dict[str, Any]]
ENGINES = ("local", "ray")
DIED = "the process died (killed, or out of memory)"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One run's row, or why there is none."""

    spec: Spec
    row: dict[str, Any] | None = None
    error: str | None = None


def outcomes(
    specs: Sequence[Spec], work: Work, *, workers: int, engine: str = "local", gpus: float = 0.0
) -> Iterator[Outcome]:
    """Run every spec, in order as workers come free; one outcome a spec, in the order of completion.

    Args:
        work: an importable function of one spec.
        workers: runs at a time (local); Ray schedules one run a CPU.
        engine: "local" or "ray".
        gpus: a run's share of a GPU, by which Ray places it; local runs share what there is.

    Raises:
        InputError: an unknown engine. MissingExtraError: Ray is not installed.
    """
    if engine not in ENGINES:
        raise InputError(f"got {engine!r}", field="engine", expected=nearest(engine, list(ENGINES)))
    return _ray(specs, work, gpus) if engine == "ray" else _local(list(specs), work, workers)


def _attempt(work: Work, spec: Spec) -> Outcome:
    reuse_freed_memory()  # a run makes and frees the same tensors step after step
    try:
        return Outcome(spec=spec, row=_finite(work(spec)))
    except Exception as error:  # one run's failure must not end the others
        return Outcome(spec=spec, error=f"{type(error).__name__}: {error}")


def _finite(row: dict[str, Any]) -> dict[str, Any]:
    """The row with None for a metric that is no finite number, which no file of JSON can hold."""
    bad = [name for name, value in row.items() if isinstance(value, float) and not math.isfinite(value)]
    if lost := [name for name in bad if name in ("gold_reward", "base_gold")]:
        raise RunError(f"{lost[0]} is {row[lost[0]]}: the world gave some answer no finite gold reward")
    return {**row, **dict.fromkeys(bad)}


def _local(waiting: list[Spec], work: Work, workers: int) -> Iterator[Outcome]:
    """A pool of processes. When one dies, the runs under way are suspects and go on one at a time, so that
    only the one that kills its process is lost. Processes take the GPUs in turns."""
    while waiting:
        under_way: dict[Future[Outcome], Spec] = {}
        suspects: list[Spec] = []
        with _pool(workers) as pool:
            try:
                while waiting or under_way:
                    while waiting and len(under_way) < workers:
                        under_way[pool.submit(_attempt, work, waiting[0])] = waiting[0]
                        del waiting[0]  # only now: a broken pool refuses to take it
                    done, _ = wait(under_way, return_when=FIRST_COMPLETED)
                    for future in done:
                        outcome = future.result()
                        del under_way[future]
                        yield outcome
            except BrokenProcessPool:
                suspects = list(under_way.values())
        for spec in suspects:
            yield _alone(work, spec)


def _alone(work: Work, spec: Spec) -> Outcome:
    with _pool(1) as pool:
        try:
            return pool.submit(_attempt, work, spec).result()
        except BrokenProcessPool:
            return Outcome(spec=spec, error=DIED)


def _pool(workers: int) -> ProcessPoolExecutor:
    # fresh processes: a fork of a process that has used torch's threads may hang
    context = multiprocessing.get_context("spawn")
    begun = context.Value("i", 0)
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=(os.getpid(), begun))


def _begin(parent: int, begun: Any) -> None:
    """One thread a run, a GPU of its own where there are several, no bars between the lines of progress, and
    an end with the parent: a killed grid must leave no worker behind."""
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"  # transformers reads it too
    with begun.get_lock():
        number, begun.value = begun.value, begun.value + 1
    if gpus := visible_gpus():
        os.environ["CUDA_VISIBLE_DEVICES"] = gpus[number % len(gpus)]

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def visible_gpus() -> list[str]:
    """The GPUs that this process may use, by the names that CUDA_VISIBLE_DEVICES takes."""
    import torch

    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name.strip() for name in named.split(",") if name.strip()]
    return [str(number) for number in range(torch.cuda.device_count())]  # which does not wake CUDA up


def check_gpus(gpus: float, engine: str) -> None:
    """Raise InputError now if local runs are to share a GPU that is not there."""
    import torch

    if gpus and engine == "local" and not torch.cuda.is_available():
        raise InputError(
            f"got {gpus:g}, and PyTorch sees no GPU here",
            field="--gpus",
            expected="0, which trains on the CPU",
            fix="leave --gpus out, or see `gammapo doctor`",
        )


def _ray(specs: Sequence[Spec], work: Work, gpus: float) -> Iterator[Outcome]:
    try:
        import ray
        from ray.exceptions import RayError
    except ImportError as error:
        raise MissingExtraError("ray", "ray", "the engine ray") from error
    if not ray.is_initialized():
        ray.init(address=os.environ.get("RAY_ADDRESS"), log_to_driver=False)
    remote = ray.remote(num_cpus=1, num_gpus=gpus, max_retries=1)(_attempt)
    under_way = {remote.remote(work, dict(spec)): spec for spec in specs}
    while under_way:
        (done, *_), _ = ray.wait(list(under_way), num_returns=1)
        spec = under_way.pop(done)
        try:
            yield ray.get(done)
        except RayError:
            yield Outcome(spec=spec, error=DIED)
