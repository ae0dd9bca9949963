import json

import pytest


@pytest.fixture
def files(tmp_path):
    """Three models on 60 instructions: one wins 90 %, two win 30 %, on shifted instructions."""
    paths = []
    for name, wins in (("strong", range(54)), ("weak", range(18)), ("like-weak", range(2, 20))):
        rows = [
            {
                "instruction": f"question {place}",
                "output_1": f"reference {place} " * (place % 5 + 1),
                "generator_1": "base",
                "output_2": f"{name} says {place} " * (place % 7 + 1),
                "generator_2": name,
                "preference": 2.0 if place in wins else 1.0,
            }
            for place in range(60)
        ]
        paths.append(tmp_path / f"{name}.json")
        paths[-1].write_text(json.dumps(rows))
    return paths


def test_verdicts_in_plain_language_under_a_chart(run, files):
    code, out, _ = run("compare", *files, "--metric", "wr", "--bootstrap", 300)
    assert code == 0
    assert "strong beats weak by 60.0 ± " in out
    assert "weak cannot be told from like-weak (+0.0 ± " in out
    assert out.count("●") == 3
    assert "60 instructions" in out


def test_json_holds_every_pair(run, files):
    code, out, _ = run("compare", *files, "--metric", "wr", "--bootstrap", 300, "--format", "json")
    found = json.loads(out)
    assert code == 0
    assert len(found["pairs"]) == 3
    assert found["standings"][0]["generator"] == "strong"
    assert all(p["p_holm"] >= p["p_value"] for p in found["pairs"])


@pytest.mark.parametrize("name", ["chart.html", "chart.svg"])
def test_the_chart_is_written_and_never_overwritten_unasked(run, files, tmp_path, name):
    chart = tmp_path / name
    assert run("compare", *files, "--bootstrap", 100, "-o", chart)[0] == 0
    assert "<svg" in chart.read_text()
    code, _, err = run("compare", *files, "--bootstrap", 100, "-o", chart)
    assert code == 2
    assert "already exists" in err


def test_bad_usage_exits_2(run, files, tmp_path):
    assert run("compare", files[0])[0] == 2
    code, _, err = run("compare", *files, "-o", tmp_path / "chart.png")
    assert code == 2
    assert ".html or .svg" in err


def test_the_arena_rates_models_that_met(run, files, tmp_path):
    code, out, _ = run("compare", "--arena", *files, "--bootstrap", 100, "--format", "json")
    found = json.loads(out)
    assert code == 0
    assert found[0]["generator"] == "strong"
    assert {row["n_comparisons"] for row in found} == {60, 180}
    page = tmp_path / "arena.html"
    code, out, _ = run("compare", "--arena", *files, "--bootstrap", 100, "-o", page)
    assert code == 0
    assert "Elo" in out
    assert "strong" in page.read_text()


def test_an_input_is_not_overwritten_by_the_chart(run, files):
    page = files[0].rename(files[0].with_suffix(".svg"))
    code, _, err = run("compare", page, files[1], "--metric", "wr", "-o", page, "--overwrite")
    assert code == 2
    assert "is the input" in err
    assert json.loads(page.read_text())


@pytest.mark.parametrize(
    "given", [["--metric", "wr"], ["--tables", "packaged"], ["--allow", "nulls"]], ids=lambda given: given[0]
)
def test_what_the_arena_would_not_heed_is_refused(run, files, given):
    code, out, err = run("compare", "--arena", *files, *given)
    assert (code, out) == (2, "")
    assert f"{given[0]}: has no part in the arena" in err


def test_the_arena_counts_what_it_leaves_out(run, files):
    rows = json.loads(files[0].read_text())
    rows[0]["preference"], rows[1]["generator_2"] = None, "base"
    files[0].write_text(json.dumps(rows))
    code, _, err = run("compare", "--arena", *files, "--bootstrap", 100)
    assert code == 0
    assert err.startswith("2 rows are not judged, or compare a model with itself")


@pytest.mark.parametrize("arena", [[], ["--arena"]])
def test_a_file_given_twice_is_refused(run, files, arena):
    again = files[0].parent / "." / files[0].name
    code, _, err = run("compare", *arena, *files, again)
    assert (code, f"{again}: is given twice" in err) == (2, True)


def test_a_model_that_won_everything_has_no_rating_to_speak_of(run, files, tmp_path):
    rows = [row | {"preference": 2.0} for row in json.loads(files[0].read_text())]
    files[0].write_text(json.dumps(rows))
    page = tmp_path / "arena.html"
    code, _, err = run("compare", "--arena", *files, "--bootstrap", 100, "-o", page)
    assert code == 0
    assert "base, like-weak, weak took no point off strong: nothing bounds the gap" in err
    assert "took no point off strong" in page.read_text()


def test_references_that_differ_are_all_named(run, files):
    rows = [row | {"generator_1": "other base"} for row in json.loads(files[0].read_text())]
    files[0].write_text(json.dumps(rows))
    code, out, err = run("compare", *files, "--metric", "wr", "--bootstrap", 100, "--allow", "reference")
    assert code == 0, err
    assert "against other base, base, 60 instructions" in out
