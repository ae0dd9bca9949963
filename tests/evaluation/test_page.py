import json
import re

from gammapo import evaluation
from gammapo.evaluation.evaluate import Options
from gammapo.evaluation.page import arena_page, comparison_page, leaderboard_page


def results(own_rows, tmp_path):
    paths = []
    for seed, name in enumerate(["<b>first</b>", "second"]):
        rows = own_rows(60, model=name, seed=seed)
        if name == "second":
            for row in rows:
                row["output_2"] = "always the same, and of a reference's usual length, whatever is asked"
        paths.append(tmp_path / f"{seed}.json")
        paths[-1].write_text(json.dumps(rows))
    return [evaluation.read_annotations(path) for path in paths]


def assert_self_contained(page: str):
    assert page.startswith("<!doctype html>")
    assert "<svg" in page
    assert not re.search(r"<(script|link|img|iframe)\b", page)
    assert re.findall(r"https?://[^\"' ]+", page) == ["http://www.w3.org/2000/svg"]  # a name, not an address


def test_the_leaderboard_ranks_marks_and_escapes(own_rows, tmp_path):
    files = results(own_rows, tmp_path)
    evaluations = [evaluation.evaluate(file, Options(bootstrap=50)) for file in files]
    page = leaderboard_page(evaluations)
    assert_self_contained(page)
    assert "<b>first" not in page
    assert "&lt;b&gt;first" in page
    assert "the same output answers 60 of 60" in page
    body = page[page.index("<tbody>") :]
    ranked = sorted(evaluations, key=lambda e: -e.length_controlled.length_controlled_winrate)
    assert body.index(ranked[0].generator.strip("<b>/")[:5]) < body.index(
        ranked[1].generator.strip("<b>/")[:5]
    )


def test_a_leaderboard_without_intervals_has_a_table(own_rows, tmp_path):
    files = results(own_rows, tmp_path)
    page = leaderboard_page([evaluation.evaluate(file, Options(bootstrap=0)) for file in files])
    assert "<svg" not in page
    assert page.count("<tr>") == 3


def test_comparison_and_arena_pages(own_rows, tmp_path):
    files = results(own_rows, tmp_path)
    comparison = evaluation.compare(files, options=Options(bootstrap=100))
    page = comparison_page(comparison)
    assert_self_contained(page)
    assert "corrected by Holm" in page
    page = arena_page(evaluation.ratings(files, n_bootstrap=20))
    assert_self_contained(page)
    assert "base" in page
