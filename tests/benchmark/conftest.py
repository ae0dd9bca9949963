"""Small grids, and losses and noise that a user might bring along, good and bad."""

import pytest

SABOTAGE = """
from dataclasses import replace
from gammapo.losses import simpo, dpo


def _backwards(logps, options):
    swapped = replace(
        logps,
        chosen=logps.rejected,
        rejected=logps.chosen,
        chosen_length=logps.rejected_length,
        rejected_length=logps.chosen_length,
    )
    return simpo.simpo(swapped, options)


SPEC = replace(simpo.SPEC, name="sabotaged", function=_backwards)


def _broken(logps, options):
    raise ValueError("this loss cannot be computed")


BROKEN = replace(simpo.SPEC, name="broken", function=_broken)


def _deadly(logps, options):
    import os, signal
    os.kill(os.getpid(), signal.SIGKILL)


DEADLY = replace(simpo.SPEC, name="deadly", function=_deadly)
"""
ATTACK = """
from gammapo.noise import Candidate


def every_clear_pair(pairs, draw):
    \"\"\"Flip pairs by their gold gap, the largest first.\"\"\"
    for pair in pairs:
        gap = abs(pair.chosen_score - pair.rejected_score)
        yield Candidate(order=-gap, result=pair.flipped(), why=f"gap {gap:.2f}")
"""


@pytest.fixture
def plugins(tmp_path, monkeypatch):
    """A folder on the path with a module of losses and one of noise."""
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "own_losses.py").write_text(SABOTAGE)
    (folder / "own_noise.py").write_text(ATTACK)
    monkeypatch.syspath_prepend(folder)
    return folder


@pytest.fixture
def small_grid():
    """A grid on the softmax world that takes a second or two."""
    return {
        "worlds": [{"name": "softmax", "contexts": 16, "as": "table"}],
        "losses": {"simpo": {}},
        "noise": [{"kind": "symmetric", "rates": [0.4]}],
        "seeds": 4,
        "training": {"pairs": 1000, "learning_rate": 0.1},
        "workers": 1,
    }
