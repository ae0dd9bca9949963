"""The page: complete, escaped, without network, examples as asked."""

import pytest

from gammapo.audit import audit_pairs, audit_run, evidence
from gammapo.audit.page import shortened, write_page, write_run_page
from gammapo.errors import InputError


@pytest.fixture
def report(pair, loaded):
    evil = "<script>alert(1)</script> & more"
    pairs = [pair(str(i), f"I cannot help with {evil} {i}", "Here it is.", prompt=evil) for i in range(5)]
    return audit_pairs(loaded(*pairs))


def test_page_is_self_contained_and_escaped(report, tmp_path):
    html = write_page(tmp_path / "audit.html", report, examples=2).read_text()
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; more" in html
    assert html.count('class="pair"') == 2 * sum(one.pairs > 0 for one in report.findings)
    assert html.count("<svg") == 3
    for link in ("src=", "href=", "@import", "url(http"):
        assert link not in html
    for one in report.findings:
        assert one.title.replace(">", "&gt;") in html
    with pytest.raises(InputError, match="already exists"):
        write_page(tmp_path / "audit.html", report)


def test_no_examples_means_no_texts(report, tmp_path):
    html = write_page(tmp_path / "audit.html", report, examples=0).read_text()
    assert "alert(1)" not in html
    assert "refusals" in html


def test_shortened_says_how_much_is_left_out():
    assert shortened("abc", 3) == "abc"
    assert shortened("x" * 90 + "end", 30) == "x" * 20 + " […63 characters…] " + "x" * 7 + "end"


def test_page_of_a_run_shows_suspects_side_by_side(make_run, some, pair, tmp_path):
    run = make_run(some(0.3), pairs=200)
    pairs = [pair(f"p{i}", f"<b>yes {i}</b>", f"no {i}") for i in range(200)]
    found = audit_run(
        "runs/x", evidence(run.ids, run.steps, run.gaps), pairs, flipped=run.flipped, resamples=2
    )
    html = write_run_page(tmp_path / "run.html", found, examples=5).read_text()
    assert html.count('class="pair"') == 5
    assert html.count("<svg") == 2
    assert "<b>yes" not in html
    assert f"{100 * found.rate:.1f} %" in html
    unknown = audit_run("runs/x", evidence(run.ids, run.steps, run.gaps), pairs, resamples=2)
    html = write_run_page(tmp_path / "unknown.html", unknown, examples=0).read_text()
    assert (html.count("<svg"), "AUROC" in html, "No examples" in html) == (1, False, True)
