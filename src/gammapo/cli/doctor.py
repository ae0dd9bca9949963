"""`gammapo doctor`: is this machine ready, and what mends it."""

from __future__ import annotations

from pathlib import Path

import typer

from gammapo.cli.console import Format


def command(
    folder: Path = typer.Option(Path("runs"), help="Where runs will be written, for the disk check."),
    format: Format = typer.Option(Format.table, help="How to print the result."),
) -> None:
    """Check versions, GPUs, communication, disk and hub login; exit 1 if something will fail."""
    from dataclasses import asdict

    from gammapo.cli.console import print_json
    from gammapo.planning.doctor import examine

    findings = examine(folder)
    bad = [finding for finding in findings if finding.state == "bad"]
    if format is Format.json:
        print_json({"ready": not bad, "findings": [asdict(finding) for finding in findings]})
    else:
        for finding in findings:
            mend = f"  → {finding.mend}" if finding.mend else ""
            print(f"{finding.state:5} {finding.what:15} {finding.found}{mend}")
        print("ready" if not bad else f"{len(bad)} to mend")
    if bad:
        raise typer.Exit(1)
