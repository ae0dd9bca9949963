"""How well wrong labels are found and counted, where they are known.

    python benchmarks/flips.py text                          # SmolLM2's shipped pairs, no model
    python benchmarks/flips.py text --pairs FILE             # any pair file, whose labels count as right
    python benchmarks/flips.py linear                        # a linear Bradley–Terry learner, cross-fitted
    python benchmarks/flips.py tiny --slope 60 --rate 0.3    # the benchmark's tiny transformer
    python benchmarks/flips.py smollm2 --folder DIR          # SmolLM2 with LoRA, cross-fitted; goes on in DIR

Each prints Markdown rows: noise kind, rate, what was believed, AUROC, calibration error, and the two
estimates of the share of wrong labels: that of the surest tenth (with its interval, or with several
seeds the least and the greatest), and that of the curve's shape. Seeds (`--seeds`) are averaged.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from linear_learner import labelled_features, learn

from gammapo import audit, data, losses, noise
from gammapo.audit.witness import Witnesses, fold_of
from gammapo.types import PreferencePair

KINDS = ("symmetric", "annotator_mix", "length_biased", "ambiguous", "ties", "hard_pair", "confident")
LORA = {"rank": 16, "alpha": 32}
SIMPO = {"name": "simpo", "beta": 2.5, "gamma_beta_ratio": 0.4}


def corrupted(
    pairs: Sequence[PreferencePair], kind: str, rate: float, seed: int
) -> tuple[list, frozenset[str]]:
    """Pairs with wrong labels and without scores, and the ids of the wrong ones."""
    made, wrong = list(pairs), frozenset()
    if rate:
        done = noise.corrupt(pairs, kind, rate=rate, seed=seed)
        made, wrong = done.pairs, done.manifest.flipped
    return [replace(pair, chosen_score=None, rejected_score=None) for pair in made], wrong


def row(name: str, found: Sequence[tuple[audit.Verdicts, np.ndarray]]) -> str:
    """A line of the table: means over seeds."""
    truths = [audit.against_truth(one.probability, wrong) for one, wrong in found]
    area = np.mean([np.nan if truth.auroc is None else truth.auroc for truth in truths])
    calibration = np.mean([truth.calibration_error for truth in truths])
    share, fitted = (np.mean([getattr(one, key) for one, _ in found]) for key in ("share", "fitted_share"))
    low, high = found[0][0].share_ci95
    if len(found) > 1:
        low, high = min(one.share for one, _ in found), max(one.share for one, _ in found)
    return (
        f"| {name} | {area:.3f} | {calibration:.3f} | {share:.1%} ({low:.0%} to {high:.0%}) | {fitted:.1%} |"
    )


def judged(
    witnesses: Witnesses, wrong: frozenset[str], pairs: Sequence[PreferencePair] = ()
) -> tuple[audit.Verdicts, np.ndarray]:
    """Verdicts, and which labels are wrong; without `pairs` each is taken to have a prompt of its own."""
    prompt = {pair.id: pair.prompt for pair in pairs}
    found = audit.judge(witnesses, [prompt[one] for one in witnesses.ids] if prompt else None)
    return found, np.array([name in wrong for name in witnesses.ids])


def chosen(witnesses: Witnesses, names: Sequence[str]) -> Witnesses:
    at = [witnesses.names.index(name) for name in names]
    return Witnesses(ids=witnesses.ids, names=tuple(names), values=witnesses.values[:, at])


def shipped() -> list[PreferencePair]:
    with as_file(files("gammapo.demo") / "data" / "pairs.jsonl.gz") as path:
        return list(data.load_pairs(path).pairs)


# ---- text witnesses ----


def text(arguments: argparse.Namespace) -> Iterator[str]:
    pairs = shipped()
    if arguments.pairs:
        pairs = list(data.load_pairs(arguments.pairs, on_bad="drop").pairs)
    for kind in arguments.kinds:
        for rate in arguments.rates:
            found = []
            for seed in range(arguments.seeds):
                noisy, wrong = corrupted(pairs, kind, rate, seed)
                found.append(judged(audit.text_witnesses(noisy), wrong, noisy))
            yield row(f"{kind} | {rate:.0%} | text", found)


# ---- a linear learner ----


def linear(arguments: argparse.Namespace) -> Iterator[str]:
    """1,000 pairs of 20 features, the label the sign of a hidden linear reward; five folds."""
    for kind in arguments.kinds:
        for rate in arguments.rates:
            found = [judged(*_linear(kind, rate, seed)) for seed in range(arguments.seeds)]
            yield row(f"{kind} | {rate:.0%} | linear, cross-fitted", found)


def _linear(kind: str, rate: float, seed: int) -> tuple[Witnesses, frozenset[str]]:
    rng = np.random.default_rng(seed)
    x, wrong = labelled_features(kind, rate, rng, seed)
    fold, out = fold_of(range(len(x)), 5, seed), np.empty((len(x), 1))
    for number in range(5):
        *_, (_, _, theta) = learn(x, np.flatnonzero(fold != number), rng)
        out[fold == number, 0] = x[fold == number] @ theta
    return Witnesses(ids=tuple(map(str, range(len(x)))), names=("trained",), values=out), wrong


# ---- the tiny world ----


class Recorder:
    """A world that keeps the gaps of every batch it reads: what a ledger would hold."""

    def __init__(self, world):
        self.world, self.ids, self.gaps, self.steps = world, [], [], []

    def logps(self, policy, batch):
        values = self.world.logps(policy, batch)
        self.ids += [pair.id for pair in batch]
        self.gaps += _mean_gaps(values).tolist()
        self.steps += [len(self.steps)] * len(batch)
        return values


def _mean_gaps(values) -> np.ndarray:
    return (values.chosen / values.chosen_length - values.rejected / values.rejected_length).detach().numpy()


def tiny(arguments: argparse.Namespace) -> Iterator[str]:
    """On-policy pairs with Bradley–Terry labels on gold of the given slope; 2 epochs, and K folds of it."""
    from gammapo.benchmark import world as worlds
    from gammapo.benchmark.fit import FitSettings, fit

    world = worlds.create("tiny", label_slope=arguments.slope)
    loss = losses.create(**SIMPO)
    settings = FitSettings(learning_rate=3e-4, epochs=2)
    for kind in arguments.kinds:
        for rate in arguments.rates:
            seen = {"ledger, as trained": [], "first visits": [], "cross-fitted": []}
            for seed in range(arguments.seeds):
                clean = world.pairs(arguments.count, seed)
                noisy, wrong = corrupted(clean, kind, rate, seed)
                tokens = world.encode(noisy)
                recorder = Recorder(world)
                fit(recorder, world.base(), tokens, loss, settings, seed)  # type: ignore[arg-type]
                ledger = audit.evidence(recorder.ids, np.array(recorder.steps), np.array(recorder.gaps))
                old = audit.fit_noise(ledger.mean)
                flags = np.array([name in wrong for name in ledger.ids])
                truth = audit.against_truth(audit.flip_probability(ledger.mean, old), flags)
                seen["ledger, as trained"].append((truth.auroc, truth.calibration_error, old.rate))
                seen["first visits"].append(judged(audit.first_visits(ledger), wrong))
                seen["cross-fitted"].append(
                    judged(_tiny_folds(world, tokens, loss, settings, seed, arguments.folds), wrong)
                )
            where = f"{kind} | {rate:.0%}"
            area, calibration, old_rate = np.mean(seen.pop("ledger, as trained"), axis=0)
            yield f"| {where} | ledger, as trained | {area:.3f} | {calibration:.3f} | – | {old_rate:.1%} |"
            for name, found in seen.items():
                yield row(f"{where} | {name}", found)


def _tiny_folds(world, tokens, loss, settings, seed: int, folds: int) -> Witnesses:
    import torch

    from gammapo.benchmark.fit import fit

    fold = fold_of([one.prompt for one in tokens], folds, seed)
    values = np.empty((len(tokens), 2))
    for number in range(folds):
        policy = world.base()
        fit(
            world, policy, [t for t, f in zip(tokens, fold, strict=True) if f != number], loss, settings, seed
        )
        at = np.flatnonzero(fold == number)
        with torch.inference_mode():
            gaps = _mean_gaps(world.logps(policy, [tokens[i] for i in at]))
        base = [
            (t.reference_chosen / len(t.chosen) - t.reference_rejected / len(t.rejected))
            for t in (tokens[i] for i in at)
        ]
        values[at] = np.column_stack([gaps - base, base])
    return Witnesses(ids=tuple(t.id for t in tokens), names=("trained", "base"), values=values)


# ---- SmolLM2 ----


def smollm2(arguments: argparse.Namespace) -> Iterator[str]:
    """LoRA, one epoch, two folds of the shipped pairs with flipped labels."""
    from gammapo.repair.crossfit import cross_fit
    from gammapo.training import parse_recipe

    recipe = parse_recipe(
        {
            "model": {"path": "smollm2"},
            "data": {"path": "-", "max_length": 512},
            "loss": SIMPO,
            "lora": LORA,
            "training": {
                "learning_rate": 2e-4,
                "num_train_epochs": 1,
                "pairs_per_step": 8,
                "tokens_per_batch": 1024,
                "save_steps": 10,
                "save_total_limit": 1,
            },
            "output": "-",
        }
    )
    (kind,), (rate,) = arguments.kinds, arguments.rates
    noisy, wrong = corrupted(shipped(), kind, rate, 0)
    trained = cross_fit(arguments.folder, recipe, noisy, 2, seed=0, stage=lambda name: nullcontext(_nothing))
    both = audit.join(trained, audit.text_witnesses(noisy))
    yield row(f"{kind} | {rate:.0%} | base", [judged(chosen(trained, ["base", "base sum"]), wrong)])
    yield row(f"{kind} | {rate:.0%} | cross-fitted", [judged(trained, wrong)])
    yield row(f"{kind} | {rate:.0%} | text", [judged(audit.text_witnesses(noisy), wrong, noisy)])
    yield row(f"{kind} | {rate:.0%} | cross-fitted and text", [judged(both, wrong)])
    # the first fold's run as `gammapo audit --run` sees it
    half = list(data.load_pairs(arguments.folder / "fold-0.jsonl").pairs)
    ledger = audit.read_ledger(arguments.folder / "run-0")
    found = audit.audit_run("run-0", ledger, half, flipped=wrong)
    assert found.truth is not None
    truth, (low, high) = found.truth, found.rate_ci95
    where, error = f"{kind} | {truth.rate:.1%} of run 0", truth.calibration_error
    fitted = f"{found.rate:.1%} ({low:.0%} to {high:.0%})"
    yield f"| {where} | ledger | {truth.auroc:.3f} | {error:.3f} | – | {fitted} |"
    first, texts = audit.first_visits(ledger), audit.text_witnesses(half)
    for name, witnesses in {"first": first, "text": texts, "both": audit.join(first, texts)}.items():
        yield row(f"{where} | {name}", [judged(witnesses, wrong)])


def _nothing(done: int, total: int) -> None:
    pass


WORLDS = {"text": text, "linear": linear, "tiny": tiny, "smollm2": smollm2}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("world", choices=WORLDS)
    parser.add_argument("--kinds", nargs="+", default=["symmetric"])
    parser.add_argument("--rates", nargs="+", type=float, default=[0.3])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--pairs", help="text: a pair file in place of the shipped pairs")
    parser.add_argument("--slope", type=float, default=6.0, help="tiny: of the labels on gold")
    parser.add_argument("--count", type=int, default=1500, help="tiny: pairs")
    parser.add_argument("--folds", type=int, default=2, help="tiny: folds")
    parser.add_argument("--folder", type=Path, default=Path("flips-smollm2"), help="smollm2: where it trains")
    arguments = parser.parse_args()
    if arguments.kinds == ["all"]:
        arguments.kinds = list(KINDS)
    print("| noise | rate | witnesses | AUROC | calibration error | surest tenth | curve's shape |")
    print("|---|---|---|---|---|---|---|")
    for line in WORLDS[arguments.world](arguments):
        print(line, flush=True)


if __name__ == "__main__":
    main()
