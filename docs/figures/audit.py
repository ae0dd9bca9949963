"""The pictures of docs/audit.md, remade from real runs of the audit.

    python docs/figures/audit.py PAIRS_FILE       # HH-RLHF's harmless-base test file was used

The second part needs no data: a linear Bradley–Terry learner is trained online for three epochs on 1,000
pairs whose labels `gammapo.noise` corrupted, and its ledger is audited. It prints the table and draws it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import altair as alt
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from linear_learner import labelled_features, learn

from gammapo import audit, data
from gammapo.audit import charts

HERE = Path(__file__).parent
KINDS = ("symmetric", "annotator_mix", "length_biased", "ambiguous", "ties", "hard_pair", "confident")
RATES = (0.0, 0.1, 0.2, 0.3, 0.4)
SEEDS = range(5)


def learner_ledger(kind: str, rate: float, seed: int) -> tuple[audit.Evidence, frozenset[str]]:
    """Evidence of a learner trained on corrupted pairs, and the ids whose label is wrong."""
    rng = np.random.default_rng(seed)
    features, flipped = labelled_features(kind, rate, rng, seed)
    ids, steps, gaps = [], [], []
    for number, (batch, found, _) in enumerate(learn(features, np.arange(len(features)), rng)):
        ids += [str(i) for i in batch]
        steps += [number] * len(batch)
        gaps += list(found)
    return audit.evidence(ids, np.array(steps), np.array(gaps)), flipped


def kinds_table() -> list[dict]:
    rows = []
    for kind in KINDS:
        for rate in RATES:
            found = []
            for seed in SEEDS:
                evidence, flipped = learner_ledger(kind, rate, seed)
                fit = audit.fit_noise(evidence.mean)
                wrong = np.array([name in flipped for name in evidence.ids])
                truth = audit.against_truth(audit.flip_probability(evidence.mean, fit), wrong)
                found.append((fit.rate, truth.auroc or np.nan, truth.calibration_error))
            estimate, auroc, calibration = np.mean(found, axis=0)
            rows.append(
                {"kind": kind, "rate": rate, "estimate": estimate, "auroc": auroc, "ece": calibration}
            )
    return rows


def kinds_chart(rows: list[dict]) -> str:
    rows = [{**row, "auroc": None if np.isnan(row["auroc"]) else row["auroc"]} for row in rows]
    base = alt.Chart(alt.Data(values=rows)).mark_line(point=True).properties(width=280, height=240)
    x = alt.X("rate:Q", title="labels that are wrong", axis=alt.Axis(format="%", values=list(RATES)))
    colour = alt.Color("kind:N", sort=list(KINDS), title=None, scale=alt.Scale(scheme="tableau10"))
    share = alt.Axis(format="%")
    auroc = base.transform_filter("datum.auroc != null").encode(
        x=x, y=alt.Y("auroc:Q", title="AUROC of the suspicion", scale=alt.Scale(domain=[0, 1])), color=colour
    )
    estimate = base.encode(
        x=x,
        y=alt.Y("estimate:Q", title="estimated share", scale=alt.Scale(domain=[0, 0.5]), axis=share),
        color=colour,
    )
    line = alt.Chart(alt.Data(values=[{"rate": 0, "y": 0}, {"rate": 0.4, "y": 0.4}]))
    truth = line.mark_line(strokeDash=[4, 3], color="#9aa5b1").encode(x="rate:Q", y="y:Q")
    return charts.svg(alt.hconcat(auroc, estimate + truth))


def main(pair_file: str) -> None:
    loaded = data.load_pairs(pair_file, on_bad="drop")
    report = audit.audit_pairs(loaded)
    (HERE / "audit-findings.svg").write_text(charts.findings_chart(report.findings, len(report.pairs)))
    (HERE / "audit-length-bias.svg").write_text(charts.length_bias_chart(report.length_bias))
    rows = kinds_table()
    for row in rows:
        print("| {kind} | {rate:.0%} | {estimate:.1%} | {auroc:.2f} | {ece:.3f} |".format(**row))
    (HERE / "audit-noise-kinds.svg").write_text(kinds_chart(rows))


if __name__ == "__main__":
    main(sys.argv[1])
