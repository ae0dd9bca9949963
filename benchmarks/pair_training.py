"""Speed and memory of a whole optimiser step: gammapo beside TRL on the same pairs, in one run.

    python benchmarks/pair_training.py                          every case, a table
    python benchmarks/pair_training.py --cases micro4 --format json
    python benchmarks/pair_training.py --texts ANNOTATIONS.json.gz     real answers in place of drawn lengths
    python benchmarks/pair_training.py -o FILE                  again after a stop: goes on with what is left
    python benchmarks/pair_training.py --shape qwen2.5-1.5b --pairs-per-step 16 --cases micro16       on a GPU

Each side trains the embedded SmolLM2-135M, or a random model of another one's shape, in a process of its own
(an honest peak of memory) through its own trainer, and the two take turns step by step, so that whatever else
the machine does meets both. The first step, the longest, is not timed: it shows that losses and gradients
agree, and the memory of both has grown to its size when the clock starts. TRL tokenises; gammapo reads the
same ids. On a GPU both train in bfloat16 with float32 weights, and the memory is the GPU's.

A side that needs more than --limit-gb is ended by its own limit rather than by the machine's; the case is
then noted as failed, the others run, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from pair_training_parts import shapes, work
from pair_training_parts.texts import LONGEST, drawn_texts, grouped, longest_step_first, read_texts
from pair_training_parts.turns import EndedEarlyError, Side


@dataclass(frozen=True, kw_only=True)
class Case:
    """One comparison. `micro_batch` pairs are in memory at a time.

    With `tokens_per_batch` gammapo cuts the step by its own budget, as `gammapo train` does, and TRL by
    `micro_batch`: the step's result is the same however it is cut.
    """

    name: str
    rival: str  # TRL's trainer
    micro_batch: int
    grouped: bool = False
    checkpointing: bool = False
    texts: str = "drawn"
    longest: int = LONGEST  # tokens of a prompt with its longer answer; both sides go without longer pairs
    tokens_per_batch: int | None = None


# Of like lengths, the longest batch is much longer than a mixed one, and TRL's DPO keeps more of every logit:
# without a cap its padded logits alone outgrow a machine of 24 GB.
CASES = {
    case.name: case
    for case in (
        Case(name="micro4", rival="cpo", micro_batch=4),
        Case(name="micro1", rival="cpo", micro_batch=1),
        Case(name="micro4_grouped", rival="cpo", micro_batch=4, grouped=True, longest=500),
        Case(name="dpo_micro4", rival="dpo", micro_batch=4, longest=500),
        Case(name="micro4_budget", rival="cpo", micro_batch=4, tokens_per_batch=1024),
        Case(
            name="grouped_budget",
            rival="cpo",
            micro_batch=4,
            grouped=True,
            longest=500,
            tokens_per_batch=1024,
        ),
        Case(name="micro16", rival="cpo", micro_batch=16),
        Case(name="dpo_micro16", rival="dpo", micro_batch=16),
        Case(name="micro4_checkpointed", rival="cpo", micro_batch=4, checkpointing=True),
        Case(name="micro4_texts", rival="cpo", micro_batch=4, texts="file"),
    )
}
USUAL = {
    "shape": "smollm2",
    "pairs_per_step": 4,
    "liger": False,
    "apart": False,
}  # what results that do not say it were made with
DEFAULT = ["micro4", "micro1", "micro4_grouped", "grouped_budget", "dpo_micro4"]


def main() -> None:
    options = arguments()
    cases = earlier(options)
    with tempfile.TemporaryDirectory(prefix="pair-training-") as folder:
        model = None
        for name in options.cases:
            if name in cases and "failed" not in cases[name]:
                note(f"{name}: done before")
                continue
            model = model or shapes.save(options.shape, Path(folder) / "model")
            case = CASES[name] if options.longest is None else replace(CASES[name], longest=options.longest)
            try:
                cases[name] = run(case, model, options) | {"settings": settings(options)}
            except EndedEarlyError as error:
                cases[name] = {"failed": str(error), "settings": settings(options)}
                note(f"{name}: {error}")
            if options.output:  # after every case, so that a run cut short leaves what it has
                options.output.parent.mkdir(parents=True, exist_ok=True)
                writing = options.output.with_suffix(".tmp")
                writing.write_text(json.dumps(report(cases, options.threads), indent=2) + "\n")
                writing.replace(options.output)
    result = report(cases, options.threads)
    print(json.dumps(result, indent=2) if options.format == "json" else table(result))
    if any("failed" in case for case in cases.values()):
        sys.exit(1)


def settings(options: argparse.Namespace) -> dict:
    """What must be equal for an earlier result to stand beside a new one."""
    here = machine(options.threads)
    same = ("cpu", "gpu", "threads", "torch", "python")
    given = {"steps": options.steps, "seed": options.seed, "longest": options.longest}
    given |= {"shape": options.shape, "pairs_per_step": options.pairs_per_step, "liger": options.liger}
    given["apart"] = options.apart
    return given | {name: here[name] for name in same}


def earlier(options: argparse.Namespace) -> dict:
    """The cases that the output file holds from a run that was cut short. One made otherwise is refused."""
    if not options.output or not options.output.exists() or options.again:
        return {}
    cases = json.loads(options.output.read_text())["cases"]
    for name, case in cases.items():
        if USUAL | case.get("settings", {}) != settings(options):
            raise SystemExit(
                f"{options.output} holds {name} made with {case.get('settings')}, and this run has "
                f"{settings(options)}. Give another file, or --again to make it anew"
            )
    return cases


def report(cases: dict, threads: int) -> dict:
    """The whole result. Cases that failed are told, and count for nothing else."""
    good = {name: case for name, case in cases.items() if "failed" not in case}
    return {
        "cases": cases,
        "matmul_fraction": fraction(good),
        "parity": {
            part: max((case["parity"][part] for case in good.values()), default=None)
            for part in ("loss", "gradient")
        },
        "machine": machine(threads),
    }


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=DEFAULT, metavar="NAME")
    parser.add_argument("--steps", type=int, default=4, help="timed optimiser steps a case (default 4)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pairs-per-step", type=int, default=4, help="of an optimiser step (default 4)")
    parser.add_argument(
        "--apart", action="store_true", help="one side after the other, where both do not fit a GPU together"
    )
    parser.add_argument(
        "--liger", action="store_true", help="train both sides with liger-kernel's layers (a GPU's)"
    )
    parser.add_argument("--shape", choices=shapes.NAMES, default="smollm2", help="of the model")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument(
        "--longest", type=int, help="leave out pairs of more tokens (prompt and longer answer), on both sides"
    )
    parser.add_argument(
        "--limit-gb", type=float, default=16.0, help="memory that each side may take (default 16)"
    )
    parser.add_argument("--again", action="store_true", help="make every case anew, whatever the file holds")
    parser.add_argument("--texts", type=Path, help="AlpacaEval annotations for the case micro4_texts")
    parser.add_argument("--format", choices=("table", "json"), default="table")
    parser.add_argument("-o", "--output", type=Path, help="also write the JSON here")
    parser.add_argument("--log", type=Path, default=Path(os.devnull), help="what the trainers say on the way")
    options = parser.parse_args()
    if any(CASES[name].texts == "file" for name in options.cases) and options.texts is None:
        parser.error("the case micro4_texts needs --texts FILE")
    if too_small := [n for n in options.cases if CASES[n].micro_batch > options.pairs_per_step]:
        parser.error(f"{too_small[0]} needs --pairs-per-step of at least {CASES[too_small[0]].micro_batch}")
    return options


def run(case: Case, model: Path, options: argparse.Namespace) -> dict:
    """Take turns, step by step: TRL, gammapo, the bare matrix products of the same step."""
    steps, size = options.steps + 1, options.pairs_per_step
    count = 200 * size if case.grouped else size * steps
    rows = (
        read_texts(options.texts, count, longest=case.longest)
        if case.texts == "file"
        else drawn_texts(model, count, seed=options.seed, longest=case.longest)
    )
    if case.grouped:
        rows = grouped(rows, size, steps, seed=options.seed)
    rows = longest_step_first(rows, size)
    setup = {**asdict(case), "model": str(model), "rows": rows, "threads": options.threads}
    setup |= {"pairs_per_step": size, "liger": options.liger, "limit_gb": options.limit_gb}
    taken = one_after_the_other if options.apart else in_turns
    turns, memory, parameters = taken(case.name, setup, steps, options.log)
    return summary(case, turns, memory, parameters, size)


Taken = tuple[list[dict], dict[str, int], int]  # turns, peak bytes of both trainers, parameters


def in_turns(name: str, setup: dict, steps: int, log: Path) -> Taken:
    with (
        Side("trl", setup, log) as trl,
        Side("gammapo", setup | {"pairs": trl.hello["pairs"]}, log) as ours,
        Side("matmul", setup | {"pairs": trl.hello["pairs"]}, log) as bare,
    ):
        turns = []
        for number in range(steps):
            turns.append({"trl": trl.step(), "gammapo": ours.step(), "matmul": bare.step()})
            say(name, number, turns[-1])
        memory = {"trl": trl.finish()["peak_bytes"], "gammapo": ours.finish()["peak_bytes"]}
    return turns, memory, ours.hello["parameters"]


def one_after_the_other(name: str, setup: dict, steps: int, log: Path) -> Taken:
    """Each side alone on the device, for models of which two do not fit it together."""
    turns: list[dict] = [{} for _ in range(steps)]
    memory, parameters = {}, 0
    for kind in ("trl", "gammapo", "matmul"):
        with Side(kind, setup, log) as side:
            setup = setup | {"pairs": side.hello.get("pairs", setup.get("pairs"))}
            parameters = side.hello.get("parameters", parameters)
            for number, turn in enumerate(turns):
                turn[kind] = side.step()
                say(name, number, {kind: turn[kind]})
            if kind != "matmul":
                memory[kind] = side.finish()["peak_bytes"]
    return turns, memory, parameters


def say(name: str, number: int, turn: dict) -> None:
    seconds = (f"{side} {t['wall']:.1f} s ({t['cpu']:.1f} CPU)" for side, t in turn.items())
    note(f"{name} step {number}: " + ", ".join(seconds))


def summary(case: Case, turns: list[dict], memory: dict[str, int], parameters: int, size: int) -> dict:
    first, timed = turns[0], turns[1:]
    ratios = {
        clock: [turn["trl"][clock] / turn["gammapo"][clock] for turn in timed] for clock in ("wall", "cpu")
    }
    useful = [turn["gammapo"]["tokens"] for turn in timed]
    return {
        "speedup": spread(ratios["wall"]),
        "speedup_cpu_seconds": spread(ratios["cpu"]),
        "memory_ratio": round(memory["gammapo"] / memory["trl"], 4),
        "memory_floor": floor(memory["trl"], parameters),
        "longest_pair_tokens": case.longest,
        "peak_gb": {side: round(size / 1e9, 3) for side, size in memory.items()},
        "pairs_per_second": {
            side: round(size * len(timed) / sum(turn[side]["wall"] for turn in timed), 4)
            for side in ("trl", "gammapo")
        },
        "useful_tokens_per_second": round(sum(useful) / sum(turn["gammapo"]["wall"] for turn in timed), 1),
        "useful_flops": useful_flops(timed),
        "padded_share_of_trl_tokens": round(1 - sum(useful) / sum(t["trl"]["tokens"] for t in timed), 3),
        "parity": parity(first),
        "matmul": matmul(timed),
        "steps": timed,
        "case": asdict(case),
    }


def useful_flops(timed: list[dict]) -> dict[str, Any]:
    """Ideal work over the time of whole steps, and as a share of the GPU's own figure (MFU). For TRL the same
    ideal work, not the padding that it multiplies too."""
    peak = work.peak_flops()
    rates = {
        side: [turn["gammapo"]["ideal_flops"] / turn[side]["wall"] for turn in timed]
        for side in ("trl", "gammapo")
    }
    return {
        "tflops": {side: round(statistics.median(rate) / 1e12, 2) for side, rate in rates.items()},
        "peak_tflops": peak and peak / 1e12,
        "mfu": peak and {side: round(statistics.median(rate) / peak, 4) for side, rate in rates.items()},
    }


def spread(values: list[float]) -> dict[str, float]:
    return {
        "median": round(statistics.median(values), 3),
        "min": round(min(values), 3),
        "max": round(max(values), 3),
        "n": len(values),
    }


def floor(peak: int, parameters: int) -> dict:
    """No ratio can be smaller than that of what both sides must hold: weights, gradients and AdamW's two
    moments in float32, 16 bytes a parameter."""
    return {"gb": round(16 * parameters / 1e9, 3), "ratio": round(16 * parameters / peak, 4)}


def parity(first: dict) -> dict[str, float]:
    """Of the same pairs from the same weights: the difference of losses, and of gradients relative to TRL's.

    A gradient is told by its length and its product with a fixed random direction, for every parameter.
    """
    mine, theirs = first["gammapo"]["gradient"], first["trl"]["gradient"]
    assert mine.keys() == theirs.keys()
    size = sum(norm**2 for norm, _ in theirs.values()) ** 0.5
    apart = (
        sum(abs(a - b) ** 2 for name in mine for a, b in zip(mine[name], theirs[name], strict=True)) ** 0.5
    )
    return {"loss": abs(first["gammapo"]["loss"] - first["trl"]["loss"]), "gradient": apart / size}


def matmul(timed: list[dict]) -> dict:
    """Share of the machine's matrix-product rate that a whole step reaches on the model's ideal work."""
    shares = {}
    for clock in ("wall", "cpu"):
        shares[clock] = [
            (turn["gammapo"]["ideal_flops"] / turn["gammapo"][clock])
            / (turn["matmul"]["flops"] / turn["matmul"][clock])
            for turn in timed
        ]
    rate = [turn["matmul"]["flops"] / turn["matmul"]["wall"] / 1e9 for turn in timed]
    return {
        "fraction": spread(shares["wall"]),
        "fraction_cpu_seconds": spread(shares["cpu"]),
        "machine_gflops": spread(rate),
        "ideal_work": work.STATEMENT,
    }


def fraction(cases: dict) -> float | None:
    first = cases.get("micro4") or next(iter(cases.values()), None)
    return first and first["matmul"]["fraction"]["median"]


def machine(threads: int) -> dict:
    import torch

    cpu = "unknown"
    info = Path("/proc/cpuinfo")
    if info.exists():
        cpu = next((x.split(":")[1].strip() for x in info.read_text().splitlines() if "model name" in x), cpu)
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "threads": threads,
        "omp_wait_policy": os.environ.get("OMP_WAIT_POLICY"),
        "load_average": [round(x, 1) for x in os.getloadavg()],
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def table(result: dict) -> str:
    lines = [
        f"{'case':22} {'speed-up':>9} {'from–to':>13} {'memory':>8} {'pairs/s':>9} {'of matmul rate':>15}"
    ]
    for name, case in result["cases"].items():
        if "failed" in case:
            lines.append(f"{name:22} failed: {case['failed']}")
            continue
        s = case["speedup"]
        lines.append(
            f"{name:22} {s['median']:8.2f}× {s['min']:5.2f}–{s['max']:5.2f}×  {case['memory_ratio']:7.1%} "
            f"{case['pairs_per_second']['gammapo']:9.3f} {case['matmul']['fraction']['median']:15.1%}"
        )
        if case["useful_flops"]["mfu"]:
            mfu, tokens = case["useful_flops"]["mfu"], case["useful_tokens_per_second"]
            lines.append(
                f"{'':22} {tokens:,.0f} useful tokens/s; MFU {mfu['gammapo']:.1%} (TRL {mfu['trl']:.1%})"
            )
        if case["longest_pair_tokens"] != LONGEST:
            lines.append(f"{'':22} pairs of more than {case['longest_pair_tokens']} tokens were left out")
    p = result["parity"]
    if p["loss"] is not None:
        lines.append(f"parity: loss within {p['loss']:.1e}, gradient within {p['gradient']:.1e} relative")
    return "\n".join(lines)


def note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
