import json
import shutil

import pytest

from gammapo.errors import InputError
from gammapo.report import demo_report
from gammapo.report.demo import SAMPLES


@pytest.fixture(scope="module")
def html(demo_folder):
    return demo_report(demo_folder)


@pytest.fixture
def copy(demo_folder, tmp_path):
    return shutil.copytree(demo_folder, tmp_path / "demo")


def edit(path, change):
    value = json.loads(path.read_text())
    value = change(value) or value
    path.write_text(json.dumps(value))


def test_the_page_shows_the_folders_own_numbers(demo_folder, html):
    for row in json.loads((demo_folder / "results.json").read_text()):
        assert row["model"] in html
        assert f"{row['gold_reward']:.3f}" in html
        low, high = row["gold_reward_ci95"]
        assert f"{low:.3f} to {high:.3f}" in html
    assert "80 of 200 training pairs (40\u00a0%)" in html
    assert "8 min 32 s" in html
    assert "train simpo-clean" in html
    assert "{&#34;name&#34;: &#34;simpo-clean&#34;" in html


def test_finding_follows_the_numbers(copy):
    def tie(rows):
        for row in rows:
            row["ci95"] = [-0.5, 0.5]

    shutil.rmtree(copy / "runs")
    assert "beats" in demo_report(copy)
    edit(copy / "comparisons.json", tie)
    html = demo_report(copy)
    assert "beats" not in html
    assert '<div class="finding open">' in html


def test_samples_are_the_first_prompts_whatever_their_scores(demo_folder, html):
    answers = json.loads((demo_folder / "answers" / "base.json").read_text())
    prompts = [row["instruction"] for row in answers]
    assert f"first {SAMPLES} held-out prompts" in html
    assert all(prompt in html for prompt in prompts[:SAMPLES])
    assert not any(prompt in html for prompt in prompts[SAMPLES:])


def test_scripts_in_answers_and_model_names_are_text(copy):
    evil = "<script>alert(1)</script>"

    shutil.rmtree(copy / "runs")

    def name(rows):
        rows[0]["model"] = f"{evil}".replace("/", "\u2215")

    def answer(rows):
        rows[0]["output"] = evil

    edit(copy / "results.json", name)
    edit(copy / "answers" / "simpo-clean.json", answer)
    html = demo_report(copy)
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html


def test_a_collapsed_training_is_warned_of(copy):
    path = copy / "runs" / "simpo-noisy" / "metrics.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    falling = [{**row, "chosen_logp": -1.0 - 0.05 * row["step"]} for row in rows]
    path.write_text("".join(json.dumps(row) + "\n" for row in falling))
    html = demo_report(copy)
    assert "simpo-noisy: <strong>The chosen answers became less likely" in html
    assert html.count('class="note') == 1


def test_only_results_are_needed(copy):
    for name in ("comparisons.json", "meta.json", "pairs.noise.json"):
        (copy / name).unlink()
    shutil.rmtree(copy / "runs")
    shutil.rmtree(copy / "answers")
    html = demo_report(copy)
    assert "Results" in html
    assert "Answers side by side" not in html
    assert "How the labels were corrupted" not in html


def test_deterministic(demo_folder, html):
    assert demo_report(demo_folder) == html


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("results.json", "{}", "list"),
        ("results.json", "[{]", "results.json:1"),
        ("results.json", '[{"loss": "simpo"}]', "model"),
        ("results.json", '[{"model": "a", "gold_reward": "high"}]', "gold_reward"),
        (
            "results.json",
            '[{"model": "a", "gold_reward": 1, "gold_reward_ci95": [2, 1]}]',
            "gold_reward_ci95",
        ),
        ("results.json", '[{"model": "a"}, {"model": "a"}]', "twice"),
        ("comparisons.json", '[{"a": "x"}]', "is missing"),
        ("pairs.noise.json", "[]", "noise manifest"),
        ("answers/base.json", '[{"instruction": "x", "output": null}]', "output"),
        ("runs/simpo-clean/metrics.jsonl", '{"step": 1\n{"step": 2}\n', "metrics.jsonl:1"),
        ("runs/simpo-clean/ledger.parquet", "no parquet", "Parquet"),
    ],
)
def test_a_broken_file_is_named(copy, name, text, said):
    (copy / name).write_text(text)
    with pytest.raises(InputError) as error:
        demo_report(copy)
    assert name.split("/")[-1] in str(error.value)
    assert said in str(error.value)


def test_no_results_says_what_was_expected(tmp_path):
    with pytest.raises(InputError, match=r"results\.json"):
        demo_report(tmp_path)


def test_extra_numbers_and_corrected_p_values_are_shown(copy):
    def result(rows):
        rows[1]["constraints_met"] = 0.625

    def comparison(rows):
        rows[0]["p_value_holm"] = 0.987

    shutil.rmtree(copy / "runs")
    edit(copy / "results.json", result)
    edit(copy / "comparisons.json", comparison)
    html = demo_report(copy)
    assert "Constraints met" in html
    assert "0.625" in html
    assert "0.987" in html
    assert "Holm" in html


def test_parts_are_named_in_words_and_a_cut_answer_is_marked():
    from gammapo.report.parts import _parts

    parts = {"reward": 0.5, "constraints_met": 0.5, "on_topic": True}
    row = {"gold": 0.5, "parts": parts, "finish_reason": "length"}
    assert _parts(row) == {"constraints met": "0.50", "on topic": "yes", "cut off": "yes"}
