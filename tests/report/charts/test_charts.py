"""Every chart is valid Vega-Lite, and its drawing shows what the rows say."""

import re
import xml.etree.ElementTree as ET

import pytest

from gammapo.report import charts, svg
from gammapo.report.palette import Style

STYLES = {"a": Style(colour="#0072b2"), "b": Style(colour="#d35400", dash=(6, 3))}
STEPS = [
    {"model": model, "step": step, "reward_gap": 0.1 * step, "chosen_logp": -1.0 - step, "accuracy": 0.5}
    | {"target_margin_mean": 1.0, "target_margin_min": 0.5, "target_margin_max": 1.5}
    for model in ("a", "b")
    for step in range(1, 8)
]
BANDS = [
    {"group": group, "step": step, "low": -1.0, "mid": 0.0, "high": 1.0}
    for group in ("clean", "flipped")
    for step in range(5)
]
CURVES = [
    {
        "panel": "symmetric",
        "loss": loss,
        "rate": rate,
        "mean": 0.8 - rate,
        "low": 0.7 - rate,
        "high": 0.9 - rate,
    }
    for loss in ("a", "b", "other")
    for rate in (0.0, 0.2, 0.4)
]
DOTS = [
    {"label": "x", "value": 0.4, "low": 0.3, "high": 0.5, "colour": "#0072b2"},
    {"label": "y", "value": 0.6, "low": None, "high": None, "colour": "#d35400"},
]
HEAT = [
    {"loss": "a", "column": "clean", "mean": 0.9, "place": 1.0, "mark": "★"},
    {"loss": "b", "column": "clean", "mean": 0.8, "place": 0.0, "mark": "="},
]
BINS = [{"group": "clean", "left": i, "right": i + 1, "share": 0.5} for i in range(2)]


def drawn() -> dict:
    return {
        "dots": charts.interval_dots(DOTS, title="T", guide=0.5),
        "bands": charts.ledger_bands(BANDS, title="T", guide=0.0),
        "histogram": charts.gap_histogram(BINS, title="T"),
        "heat": charts.heat_map(HEAT, title="T", losses=["a", "b"], columns=["clean"]),
        "noise": charts.noise_curves(CURVES, STYLES)["symmetric"],
        "lengths": charts.length_histograms({"a": [10, 20, 30]}, STYLES)["a"],
        **charts.training_curves(STEPS, STYLES),
    }


def texts(chart) -> list[str]:
    root = ET.fromstring(svg.render(chart, name="t", description="d"))
    return [node.text or "" for node in root.iter() if node.tag.endswith("}text")]


@pytest.mark.parametrize("name", list(drawn()))
def test_valid_vega_lite_that_draws(name):
    chart = drawn()[name]
    chart.to_dict()  # validates against the schema
    drawing = svg.render(chart, name="t", description="d")
    assert not re.findall(r"NaN|undefined|null", drawing)
    root = ET.fromstring(drawing)
    assert [node for node in root.iter() if node.tag.endswith("}path")]


def test_training_panels_are_those_the_rows_hold():
    assert list(charts.training_curves(STEPS, STYLES)) == [
        "reward_gap",
        "chosen_logp",
        "accuracy",
        "target_margin",
    ]
    assert charts.training_curves([], STYLES) == {}


def test_a_step_without_a_number_is_left_out():
    rows = [
        {"model": "a", "step": 1, "reward_gap": float("nan")},
        {"model": "a", "step": 2, "reward_gap": None},
    ]
    assert charts.training_curves(rows, STYLES) == {}


def test_long_runs_are_thinned_by_averaging():
    rows = [{"model": "a", "step": s, "reward_gap": float(s % 2)} for s in range(1000)]
    chart = charts.training_curves(rows, STYLES)["reward_gap"].to_dict()
    values = chart["layer"][-1]["data"]["values"]
    assert len(values) <= 120
    assert all(0.3 < row["reward_gap"] < 0.7 for row in values[:-1])  # the last may stand alone


def test_dots_write_their_values_and_labels():
    found = texts(charts.interval_dots(DOTS, title="T", digits=2))
    assert {"T", "x", "y", "0.40", "0.60"} <= set(found)


def test_heat_map_marks_winner_and_tie():
    found = texts(charts.heat_map(HEAT, title="T", losses=["a", "b"], columns=["clean"]))
    assert "0.90 ★" in found
    assert "0.80 =" in found


def test_losses_without_a_style_are_drawn_beneath_in_grey():
    layers = charts.noise_curves(CURVES, STYLES)["symmetric"].to_dict()["layer"]
    assert {row["loss"] for row in layers[0]["data"]["values"]} == {"other"}
    assert {row["loss"] for row in layers[-1]["data"]["values"]} == {"a", "b"}


def test_lengths_share_bins_and_scale():
    panels = charts.length_histograms({"a": [10, 10, 10, 10], "b": [100, 5], "none": []}, STYLES, bins=10)
    assert list(panels) == ["a", "b"]
    specs = [panel.to_dict()["layer"][0] for panel in panels.values()]
    assert specs[0]["encoding"]["y"]["scale"] == specs[1]["encoding"]["y"]["scale"] == {"domain": [0, 1.0]}
    shares = [row["share"] for row in specs[1]["data"]["values"]]
    assert sum(shares) == pytest.approx(1)
