"""The full-size task: where its files lie, which settings it allows, what is submitted and how it scores."""

from gammapo.workspace.paths import Workspace

__all__ = ["Workspace"]
