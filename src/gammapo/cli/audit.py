"""`gammapo audit FILE [--run DIR | --cross-fit K]`: what is wrong with preference labels, before and after
training."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from gammapo.cli.audit_inputs import held_out, pair_files, refuse_outputs
from gammapo.cli.console import Format, flags, given

if TYPE_CHECKING:
    from gammapo.audit import AuditReport, Cleaned, Repaired, RunAudit
    from gammapo.data import LoadedPairs
    from gammapo.noise import Manifest
    from gammapo.types import PreferencePair


BEFORE = ("evaluation", "model", "max_length", "clean", "drop")  # options of the checks of data alone
AFTER = ("by", "recipe", "folder", "repair", "how", "above", "seed")  # and of judging labels
LEDGER, NOISE = "ledger.parquet", "noise.json"  # what is read of a run's folder
WITH = {"drop": "clean", "by": "run", "recipe": "cross_fit", "folder": "cross_fit"}  # no part without these
WITH |= {"how": "repair", "above": "repair"}


def command(
    context: typer.Context,
    source: str = typer.Argument(help="Pairs: a file, a `datasets` folder, a hub id, or a YAML mixture."),
    split: str = typer.Option(None, "--split", help="Split of a folder or hub id."),
    evaluation: list[str] = typer.Option(
        None, "--eval", help="Evaluation data whose prompts must not be trained on; repeat for several."
    ),
    model: str = typer.Option(None, "--model", help="Check template, BOS and limits with this tokenizer."),
    max_length: int = typer.Option(
        2048, "--max-length", min=1, help="With --model: limit of tokens for prompt and answer."
    ),
    html: Path = typer.Option(None, "--html", help="Write a page with charts and examples."),
    examples: int = typer.Option(
        None,
        "--examples",
        min=0,
        help="Examples on the page: 3 a finding or 20 suspects by default; 0 for counts.",
    ),
    clean: Path = typer.Option(None, "--clean", help="Write a cleaned JSONL file and a record of the rest."),
    drop: list[str] = typer.Option(
        None, "--drop", help="Checks whose pairs the cleaned file leaves out; repeat for several."
    ),
    run: Path = typer.Option(None, "--run", help="Audit after training: the folder of a finished run."),
    by: str = typer.Option(
        "witnesses",
        "--by",
        help="With --run, what judges a label: witnesses (first visits and texts) or ledger (all visits).",
    ),
    text: bool = typer.Option(False, "--text", help="Rank the labels by the texts alone; needs no training."),
    cross_fit: int = typer.Option(
        0,
        "--cross-fit",
        help="Train K models, each on the other folds, and judge each label by one not trained on it.",
    ),
    recipe: Path = typer.Option(None, "--recipe", help="With --cross-fit: how they are trained."),
    folder: Path = typer.Option(
        None, "--folder", help="With --cross-fit: where; the same call goes on there."
    ),
    repair: Path = typer.Option(
        None, "--repair", help="With --run, --cross-fit or --text: write a relabelled or filtered file."
    ),
    how: str = typer.Option("flip", "--how", help="What --repair does to suspects: flip or drop."),
    above: float = typer.Option(0.5, "--above", help="Probability of a wrong label from which it does."),
    seed: int = typer.Option(
        0, "--seed", min=0, help="Of the bootstrap interval (--by ledger) or the folds (--cross-fit)."
    ),
    overwrite: bool = typer.Option(False, "--overwrite", help="Replace outputs that exist."),
    format: Format = typer.Option(Format.table, "--format", help="How to print the result."),
) -> None:
    """Find pairs that should not be trained on as they are, and say why for each.

    With --run, --cross-fit or --text, rank the labels instead: by a training run on these pairs, by models
    that were not trained on them, or by the texts alone.

    The cleaned file leaves out, unless --drop says otherwise: near_identical, contradiction, repeat, leakage,
    template. Unusable rows are never in it.
    """
    after = run is not None or bool(cross_fit) or text
    _refuse_idle(context, after)
    if after:
        way = Way(run=run, by=by, text=text, folds=cross_fit, recipe=recipe, folder=folder, seed=seed)
        _after(source, split, way, html, examples, repair, how, above, overwrite, format)
        return
    from gammapo import data, models
    from gammapo.audit import DROPPED_BY_DEFAULT, audit_pairs, check_clean, write_clean
    from gammapo.audit.clean import record_path
    from gammapo.cli.console import print_json, stderr

    if clean is not None:
        check_clean(clean, drop or ())
    inputs = [*pair_files(source), *(path for one in evaluation or () for path in pair_files(one))]
    refuse_outputs([html, clean, record_path(clean) if clean else None], inputs, overwrite)
    loaded = data.load_pairs(source, split=split, on_bad="drop")
    stderr.print(f"read {loaded.report.describe()}")
    report = audit_pairs(
        loaded,
        tokenizer=models.load_tokenizer(model) if model else None,
        max_length=max_length,
        held_out=held_out(evaluation) if evaluation else None,
    )
    cleaned = None
    if clean is not None:
        ran = [name for name in DROPPED_BY_DEFAULT if not report.finding(name).skipped]
        cleaned = write_clean(report, clean, drop or ran, overwrite=overwrite)
    if html is not None:
        from gammapo.audit.page import write_page

        write_page(html, report, examples=3 if examples is None else examples, overwrite=overwrite)
        stderr.print(f"page: {html}")
    if format is Format.json:
        print_json({**report.as_dict(), "cleaned": _cleaned(cleaned)})
    else:
        print_report(report, cleaned)


def _refuse_idle(context: typer.Context, after: bool) -> None:
    """Raise InputError for an option that would have no part in this audit."""
    from gammapo.errors import InputError

    held, flag = given(context), flags(context)
    idle, where = (BEFORE, "without") if after else (AFTER, "with one of")
    for name in idle:
        if name in held:
            ways = f"an audit {where} --run, --cross-fit and --text"
            raise InputError("has no part here", field=flag[name], expected=ways)
    for name, needed in WITH.items():
        if name in held and needed not in held:
            raise InputError("has no part here", field=flag[name], expected=f"{flag[needed]} with it")


def _cleaned(cleaned: Cleaned | None) -> dict[str, Any] | None:
    if cleaned is None:
        return None
    return {
        "file": str(cleaned.file),
        "record": str(cleaned.record),
        "kept": cleaned.kept,
        "dropped": cleaned.dropped,
    }


def print_report(report: AuditReport, cleaned: Cleaned | None) -> None:
    from gammapo.cli.console import print_table

    rows: list[list[Any]] = []
    for one in report.findings:
        if one.skipped:
            rows.append([one.title, "–", "", f"not run: {one.skipped}"])
            continue
        of = report.load.rows if one.name == "unusable" else len(report.pairs)
        share = "" if one.name == "length_bias" else f"{100 * one.pairs / max(of, 1):.2f} %"
        rows.append([one.title, "" if one.name == "length_bias" else str(one.pairs), share, one.note])
    print_table(["check", "pairs", "share", "note"], rows)
    if cleaned is not None:
        dropped = ", ".join(f"{count} {name}" for name, count in cleaned.dropped.items()) or "nothing"
        print(
            f"\n{cleaned.file}: {cleaned.kept} pairs kept; left out: {dropped} (listed in {cleaned.record})"
        )


@dataclass(frozen=True, kw_only=True)
class Way:
    """How labels are judged: by a run, by cross-fitting, or by the texts alone."""

    run: Path | None
    by: str
    text: bool
    folds: int
    recipe: Path | None
    folder: Path | None
    seed: int


def _after(
    source: str,
    split: str | None,
    way: Way,
    html: Path | None,
    examples: int | None,
    repair: Path | None,
    how: str,
    above: float,
    overwrite: bool,
    format: Format,
) -> None:
    from gammapo import data
    from gammapo.audit import check_repair, write_repaired
    from gammapo.audit.repair import repaired_record_path
    from gammapo.cli.console import print_json, stderr

    _refuse_way(way)
    if repair is not None:
        check_repair(repair, how, above)
    run_files = [] if way.run is None else [way.run, way.run / LEDGER, way.run / NOISE]
    inputs = [*pair_files(source), *(path for path in run_files if path.is_file()), way.recipe]
    refuse_outputs([html, repair, repaired_record_path(repair) if repair else None], inputs, overwrite)
    loaded = data.load_pairs(source, split=split, on_bad="drop")
    stderr.print(f"read {loaded.report.describe()}")
    pairs, manifest = as_trained(source, loaded, way.run)
    found = _suspects(way, pairs, None if manifest is None else manifest.flipped)
    unjudged = len(loaded.pairs) - len(found.suspects)
    if not found.knows:
        stderr.print(
            f"the witnesses agree with the labels no better than chance (p = {found.p_value:.2g}): "
            "neither their order nor the estimated share tells which labels are wrong"
        )
    repaired = None
    if repair is not None:
        _refuse_ignorance(found, repair)
        marker = loaded.report.noise_marker if manifest is None else manifest.fingerprint
        unseen = loaded.pairs[len(pairs) :]  # by a run on the file's first pairs; they stay as they are
        repaired = write_repaired(
            found, repair, how=how, above=above, pairs=[*pairs, *unseen], marker=marker, overwrite=overwrite
        )
    if html is not None:
        from gammapo.audit.page import write_run_page

        write_run_page(html, found, examples=20 if examples is None else examples, overwrite=overwrite)
        stderr.print(f"page: {html}")
    if format is Format.json:
        summary = None
        if repaired is not None:
            summary = {
                "file": str(repaired.file),
                "record": str(repaired.record),
                "changed": repaired.changed,
                "kept": repaired.kept,
                "right": repaired.right,
            }
        print_json({**found.as_dict(), "not_judged": unjudged, "repaired": summary})
    else:
        print_run(found, repaired, above, unjudged)


def _refuse_ignorance(found: RunAudit, output: Path) -> None:
    from gammapo.errors import InputError

    if not found.knows:
        raise InputError(
            "is not written: the witnesses agree with the labels no better than chance "
            f"(p = {found.p_value:.2g}), so that as many right labels as wrong ones would be changed",
            file=output,
            fix="judge by a run (--run), or by models that have not seen the labels (--cross-fit)",
        )


def _refuse_way(way: Way) -> None:
    """Raise InputError for a way that cannot be gone, before the pairs are read."""
    from gammapo.audit import BYS
    from gammapo.errors import InputError, nearest

    if (way.run is not None) + bool(way.folds) + way.text > 1:
        raise InputError("two ways to judge labels", expected="one of --run, --cross-fit and --text")
    if way.run is not None and way.by not in BYS:
        raise InputError(f"unknown {way.by!r}", field="--by", expected=nearest(way.by, list(BYS)))
    if way.folds and (way.recipe is None or way.folder is None):
        raise InputError("is not enough", field="--cross-fit", expected="--recipe and --folder with it")


def _suspects(way: Way, pairs: Sequence[PreferencePair], flipped: Set[str] | None) -> RunAudit:
    from gammapo import audit

    if way.run is not None:
        ledger, name = audit.read_ledger(way.run), str(way.run)
        if way.by == "ledger":
            return audit.audit_run(name, ledger, pairs, flipped=flipped, seed=way.seed)
        return audit.audit_first_visits(name, ledger, pairs, flipped=flipped)
    witnesses = audit.text_witnesses(pairs)
    if way.text:
        return audit.audit_witnesses("texts", witnesses, pairs, flipped=flipped)
    assert way.recipe is not None  # as _refuse_way has seen
    assert way.folder is not None
    from gammapo.cli.console import progress
    from gammapo.repair.crossfit import cross_fit
    from gammapo.training import load_recipe

    recipe = load_recipe(way.recipe)
    trained = cross_fit(way.folder, recipe, pairs, way.folds, seed=way.seed, stage=progress)
    return audit.audit_witnesses(str(way.folder), audit.join(trained, witnesses), pairs, flipped=flipped)


def as_trained(
    source: str, loaded: LoadedPairs, run: Path | None
) -> tuple[Sequence[PreferencePair], Manifest | None]:
    """The pairs and labels that the run saw, and the manifest of turned ones where there is one.

    A run that corrupted its labels itself keeps the manifest in its folder; it took as many of the file's
    first pairs as the manifest counts. Otherwise the manifest may lie beside the pair file.

    Raises:
        InputError: the run corrupted other pairs than these.
    """
    from gammapo import data, noise
    from gammapo.errors import InputError

    inside = run / NOISE if run else None
    if inside is None or not inside.is_file():
        sha256 = data.source_sha256(source, loaded.report.fingerprint)
        return loaded.pairs, noise.manifest_of(source, loaded.report.noise_marker, sha256)
    manifest = noise.read_manifest(inside)
    again = noise.compose(loaded.pairs[: manifest.pairs], manifest.steps)
    if again.manifest.changed != manifest.changed:
        raise InputError(
            f"is not what {run} was trained on: noise as there turns other labels than {inside} lists",
            file=source,
            expected="the pair file that the run's recipe names, as it was then",
        )
    return again.pairs, manifest


def print_run(found: RunAudit, repaired: Repaired | None, above: float, unjudged: int) -> None:
    from gammapo.cli.console import print_table

    low, high = found.rate_ci95
    how = "judged without their labels" if found.sure else f"{found.visits:.1f} visits each"
    rows = [
        ["pairs", f"{len(found.suspects)}, {how}"],
        ["wrong labels, estimated", f"{100 * found.rate:.1f} % ({100 * low:.1f} to {100 * high:.1f})"],
    ]
    if found.rate_first_visit is not None:
        rows.append(["  from first visits alone", f"{100 * found.rate_first_visit:.1f} %"])
    if found.fitted_rate is not None:
        rows.append(["  by the shape of the curve", f"{100 * found.fitted_rate:.1f} %"])
        rows.append(["  an upper bound, read off the surest", f"{found.sure} pairs"])
    rows.append([f"suspects above {above:g}", str(sum(one.probability > above for one in found.suspects))])
    if found.p_value is not None:
        rows.append(["chance alone would agree as well", f"p = {found.p_value:.2g}"])
    if found.missing:
        rows.append(["in the ledger, not in the file", str(found.missing)])
    if unjudged:
        rows.append(["in the file, not judged", str(unjudged)])
    if found.truth is not None:
        truth = found.truth
        rows.append(["wrong labels, true", f"{100 * truth.rate:.1f} % ({truth.flips})"])
        if truth.auroc is not None:
            rows.append(["AUROC", f"{truth.auroc:.3f}"])
            rows.append(["average precision", f"{truth.average_precision:.3f}"])
        rows.append(["calibration error", f"{truth.calibration_error:.3f}"])
    print_table(["", ""], rows)
    print()
    top = [
        [
            one.pair.id,
            one.pair.origin,
            f"{one.probability:.3f}",
            "" if one.flipped is None else str(one.flipped),
        ]
        for one in found.suspects[:10]
    ]
    print_table(["most suspect", "where", "P(wrong)", "wrong indeed"], top)
    if repaired is not None:
        indeed = "" if repaired.right is None else f", {repaired.right} of them wrong indeed"
        as_they_are = f"; {unjudged} were not judged and stay as they are" if unjudged else ""
        print(f"\n{repaired.file}: {repaired.kept} pairs, {repaired.changed} changed{indeed}{as_they_are}")
