"""Charts: pure functions from rows (plain dicts) to altair charts. What colours mean is in `palette`."""

from gammapo.report.charts.intervals import interval_dots
from gammapo.report.charts.ledger import gap_histogram, ledger_bands
from gammapo.report.charts.lengths import length_histograms
from gammapo.report.charts.robustness import heat_map, noise_curves
from gammapo.report.charts.training import training_curves

__all__ = [
    "gap_histogram",
    "heat_map",
    "interval_dots",
    "ledger_bands",
    "length_histograms",
    "noise_curves",
    "training_curves",
]
