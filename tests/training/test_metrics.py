"""What a logging step shows of the steps since the last one."""

import pytest
import torch

from gammapo.training.metrics import Meter


def values(margins):
    margins = torch.tensor(margins)
    return {
        "target_margin_mean": margins.mean(),
        "target_margin_min": margins.min(),
        "target_margin_max": margins.max(),
    }


def test_means_are_averaged_and_extremes_are_extremes():
    """Steps of margins 1, 3 and 0, 8: their means 2 and 4 give 3, while 0 and 8 bound them all."""
    meter = Meter()
    for margins in ([1.0, 3.0], [0.0, 8.0]):
        meter.add(values(margins), pairs=2, tokens=10)
    read = meter.read()
    assert read["target_margin_mean"] == pytest.approx(3)
    assert (read["target_margin_min"], read["target_margin_max"]) == (0, 8)
    meter.add(values([5.0, 6.0]), pairs=2, tokens=10)
    read = meter.read()
    assert (read["target_margin_min"], read["target_margin_max"]) == (5, 6)  # afresh
    assert meter.read() == {}
