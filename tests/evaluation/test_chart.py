import xml.etree.ElementTree as ET

from gammapo.evaluation.chart import Point, interval_lines, interval_svg

POINTS = [
    Point(label="better <&>", estimate=30, low=25, high=35),
    Point(label="worse", estimate=10, low=5, high=15, doubtful=True),
]
SVG = "{http://www.w3.org/2000/svg}"


def test_the_drawing_is_valid_and_to_scale():
    root = ET.fromstring(interval_svg(POINTS, title="A & B"))
    dots = [float(dot.attrib["cx"]) for dot in root.iter(f"{SVG}circle")]
    ticks = {
        float(text.text): float(text.attrib["x"])
        for text in root.iter(f"{SVG}text")
        if text.text and text.text.isdigit()
    }
    per_point = (ticks[30] - ticks[10]) / 20
    assert dots[0] - dots[1] == 20 * per_point or abs(dots[0] - dots[1] - 20 * per_point) < 0.2
    assert abs(dots[0] - ticks[30]) < 0.2
    words = "".join(root.itertext())
    assert "better <&>" in words
    assert "worse (!)" in words


def test_terminal_bars_share_one_scale():
    first, second, axis = interval_lines(POINTS, width=41)
    assert first.index("●") > second.index("●")
    assert first.count("━") + 1 >= 8
    assert "30.0  [25.0, 35.0]" in first
    assert "!" in second
    assert axis.split() == ["5", "35"]


def test_a_single_point_without_width_can_be_drawn():
    point = Point(label="x", estimate=50, low=50, high=50)
    assert "●" in interval_lines([point])[0]
    ET.fromstring(interval_svg([point], title="x"))
