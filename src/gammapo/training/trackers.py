"""`training.report_to`: the trackers of transformers, checked before anything is read."""

from __future__ import annotations

import importlib.util
from typing import Any

from gammapo.errors import InputError, MissingExtraError, nearest

PACKAGES = {
    "tensorboard": ("tensorboard", "tensorboardX"),
    "trackio": ("trackio",),
    "wandb": ("wandb",),
}  # of the extra `track`; any one of a tracker's packages will do
EVERYTHING = ("all", "none")


def check_trackers(report_to: Any) -> None:
    """Refuse a tracker that transformers does not know or whose package is absent.

    Raises:
        InputError: no such tracker.
        MissingExtraError: its package is not installed.
    """
    if report_to is None:
        return
    from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK

    for name in [report_to] if isinstance(report_to, str) else report_to:
        if name not in (*INTEGRATION_TO_CALLBACK, *EVERYTHING):
            known = [*INTEGRATION_TO_CALLBACK, *EVERYTHING]
            raise InputError(
                f"unknown tracker {name!r}",
                field="training.report_to",
                expected=nearest(str(name), known),
                fix="correct the name",
            )
        packages = PACKAGES.get(name, ())
        if packages and not any(importlib.util.find_spec(package) for package in packages):
            raise MissingExtraError(packages[0], "track", f"training.report_to={name}")
