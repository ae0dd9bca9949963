"""The audit as one self-contained HTML page: no script, no network, texts escaped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gammapo import files
from gammapo.audit.after import RunAudit
from gammapo.audit.before import AuditReport
from gammapo.audit.findings import Finding
from gammapo.types import PreferencePair

TEMPLATES = Path(__file__).parent / "templates"


def write_page(
    path: str | Path,
    report: AuditReport,
    *,
    examples: int = 3,
    characters: int = 600,
    overwrite: bool = False,
) -> Path:
    """Write the page. `examples` pairs a finding are shown side by side, 0 for counts only.

    Raises:
        InputError: the file exists and `overwrite` is False.
    """
    from gammapo.audit.charts import findings_chart, length_bias_chart, lengths_chart

    if not overwrite:
        files.refuse_existing(path)
    by_id = {pair.id: pair for pair in report.pairs}
    shown = {one.name: example_rows(one, by_id, examples, characters) for one in report.findings}
    page = render(
        "before.html.j2",
        report=report,
        total=len(report.pairs),
        shown=shown,
        charts={
            "findings": findings_chart(report.findings, len(report.pairs)),
            "bias": length_bias_chart(report.length_bias),
            "lengths": lengths_chart(report.pairs),
        },
    )
    return files.write_text(path, page, overwrite=overwrite)


def write_run_page(
    path: str | Path, audit: RunAudit, *, examples: int = 20, characters: int = 600, overwrite: bool = False
) -> Path:
    """Write the page of an audit after training, its most suspect pairs side by side.

    Raises:
        InputError: the file exists and `overwrite` is False.
    """
    from gammapo.audit.charts import calibration_chart, evidence_chart

    if not overwrite:
        files.refuse_existing(path)
    shown = []
    for one in audit.suspects[:examples]:
        why = [f"wrong with probability {one.probability:.2f}"]
        if one.flipped is not None:
            why.append("wrong indeed" if one.flipped else "right according to the manifest")
        shown.append(side_by_side(one.pair, characters) | {"why": why})
    charts = {
        "evidence": evidence_chart(audit),
        "calibration": calibration_chart(audit.truth) if audit.truth else "",
    }
    page = render("after.html.j2", audit=audit, shown=shown, charts=charts)
    return files.write_text(path, page, overwrite=overwrite)


def render(template: str, **values: Any) -> str:
    """A template of this room as text, every value escaped but the charts."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**values)


def example_rows(
    finding: Finding, by_id: dict[str, PreferencePair], count: int, characters: int
) -> list[dict[str, Any]]:
    """The first `count` different pairs that a finding names, their texts shortened."""
    chosen: dict[str, list[str]] = {}
    for hit in finding.hits:
        if hit.id in by_id and (hit.id in chosen or len(chosen) < count):
            chosen.setdefault(hit.id, []).append(f"{hit.side}: {hit.detail}" if hit.side else hit.detail)
    return [side_by_side(by_id[name], characters) | {"why": why} for name, why in chosen.items()]


def side_by_side(pair: PreferencePair, characters: int) -> dict[str, Any]:
    """A pair's texts for the page."""
    return {
        "id": pair.id,
        "origin": pair.origin,
        "prompt": shortened(pair.prompt[-1].content, characters),
        "earlier_turns": len(pair.prompt) - 1,
        "chosen": shortened(pair.chosen, characters),
        "rejected": shortened(pair.rejected, characters),
        "chosen_score": pair.chosen_score,
        "rejected_score": pair.rejected_score,
    }


def shortened(text: str, characters: int) -> str:
    """The text, or its beginning and end around the number of characters left out."""
    if len(text) <= characters:
        return text
    head, tail = characters * 2 // 3, characters // 3
    return f"{text[:head]} […{len(text) - head - tail} characters…] {text[len(text) - tail :]}"
