"""`gammapo losses [NAME]`: what exists, or one loss with its formula, options and source."""

from __future__ import annotations

import typer


def command(name: str = typer.Argument(None, help="One loss, in full.")) -> None:
    """List the losses, or show one."""
    from gammapo import losses

    for known in losses.names() if name is None else [name]:
        typer.echo(losses.create(known).objective)
