"""What the speed comparison counts and how it judges, by hand. It is never timed here."""

import argparse
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import pair_training
from pair_training_parts import texts, work

PAIR = ([1, 2, 3], [4, 5], [6, 7, 8])
CONFIG = SimpleNamespace(
    hidden_size=4,
    intermediate_size=6,
    num_attention_heads=2,
    num_key_value_heads=1,
    num_hidden_layers=2,
    vocab_size=10,
)


def test_lengths_count_what_gammapo_reads():
    # read 3+1+2; scored 2+3; attended: prompt+chosen 4 → 1+2+3+4 = 10, rejected 2·3 + (1+2) = 9
    assert work.lengths([PAIR]) == (6, 5, 19)
    assert work.lengths([PAIR, PAIR]) == (12, 10, 38)


def test_a_budget_cuts_a_step_in_its_order_and_leaves_a_longer_pair_alone():
    assert work.within(10, [4, 6, 1, 12, 5]) == [[0, 1], [2], [3], [4]]


def test_ideal_work_by_hand():
    # one layer: q 4·4, k and v 4·2 each, o 4·4, gate and up 4·6 each, down 6·4 → 16+16+16+72 = 120
    body = 3 * (2 * (2 * 120) * 6 + 4 * 2 * 2 * 2 * 19)
    head = 6 * 10 * 4 * 5
    assert work.ideal_flops(CONFIG, [PAIR]) == body + head


def test_the_bare_products_are_the_ideal_work_without_attention():
    import torch

    found = work.BareProducts(CONFIG, torch.float32, "cpu").run([PAIR])
    assert found["flops"] == work.ideal_flops(CONFIG, [PAIR]) - 3 * 4 * 2 * 2 * 2 * 19


def test_parity_is_zero_for_equal_gradients_and_sees_a_turned_one():
    side = {"loss": 1.0, "gradient": {"w": (3.0, 1.0), "v": (4.0, 2.0)}}
    assert pair_training.parity({"trl": side, "gammapo": side}) == {"loss": 0.0, "gradient": 0.0}
    turned = {"loss": 1.5, "gradient": {"w": (3.0, -1.0), "v": (4.0, 2.0)}}
    found = pair_training.parity({"trl": side, "gammapo": turned})
    assert found == {"loss": 0.5, "gradient": pytest.approx(2 / 5)}


def test_the_longest_step_is_the_untimed_one():
    rows = [{"prompt": "p" * n, "chosen": "c", "rejected": "r"} for n in (2, 2, 9, 9, 5, 5)]
    moved = texts.longest_step_first(rows, 2)
    assert [len(r["prompt"]) for r in moved] == [9, 9, 2, 2, 5, 5]


def test_grouped_batches_hold_like_lengths():
    rows = [{"prompt": "p" * n, "chosen": "c", "rejected": "r"} for n in range(1, 201)]
    found = texts.grouped(rows, 4, 5, seed=0)
    assert len(found) == 20
    for start in range(0, 20, 4):
        sizes = [len(r["prompt"]) for r in found[start : start + 4]]
        assert max(sizes) - min(sizes) < 30


def options(tmp_path, **changes):
    given = {"output": tmp_path / "result.json", "threads": 1, "steps": 2, "seed": 0, "longest": None}
    given |= {"shape": "smollm2", "pairs_per_step": 4, "liger": False, "apart": False}
    return argparse.Namespace(**({"again": False} | given | changes))


def write(path, cases):
    path.write_text(json.dumps({"cases": cases}))


def test_a_run_that_was_cut_short_goes_on_with_what_is_left(tmp_path):
    given = options(tmp_path)
    assert pair_training.earlier(given) == {}
    done = {"micro4": {"speedup": 1, "settings": pair_training.settings(given)}}
    write(given.output, done)
    assert pair_training.earlier(given) == done
    assert pair_training.earlier(options(tmp_path, again=True)) == {}


def test_results_from_before_shapes_are_of_the_embedded_model(tmp_path):
    given = options(tmp_path)
    old = pair_training.settings(given)
    del old["shape"], old["pairs_per_step"], old["liger"], old["apart"]
    write(given.output, {"micro4": {"settings": old}})
    assert list(pair_training.earlier(given)) == ["micro4"]


@pytest.mark.parametrize(
    "changed",
    [
        {"steps": 3},
        {"seed": 1},
        {"threads": 2},
        {"longest": 120},
        {"shape": "qwen2.5-0.5b"},
        {"pairs_per_step": 8},
    ],
)
def test_results_made_otherwise_are_not_mixed(tmp_path, changed):
    given = options(tmp_path)
    write(given.output, {"micro4": {"settings": pair_training.settings(given)}})
    with pytest.raises(SystemExit, match="micro4 made with"):
        pair_training.earlier(options(tmp_path, **changed))


def test_a_failed_case_is_told_and_counts_for_nothing():
    good = {
        "parity": {"loss": 1e-6, "gradient": 2e-6},
        "matmul": {"fraction": {"median": 0.8}},
        "speedup": {"median": 3.0, "min": 2.9, "max": 3.1},
        "memory_ratio": 0.4,
        "pairs_per_second": {"gammapo": 0.5},
        "longest_pair_tokens": 500,
        "useful_flops": {"mfu": {"trl": 0.1, "gammapo": 0.34}},
        "useful_tokens_per_second": 45678.9,
    }
    result = pair_training.report({"micro1": good, "micro4": {"failed": "the trl process ended"}}, 1)
    assert result["matmul_fraction"] == 0.8
    assert result["parity"] == {"loss": 1e-6, "gradient": 2e-6}
    told = pair_training.table(result)
    assert "micro4                 failed: the trl process ended" in told
    assert "pairs of more than 500 tokens were left out" in told
    assert "45,679 useful tokens/s; MFU 34.0% (TRL 10.0%)" in told
    assert pair_training.report({"micro4": {"failed": "x"}}, 1)["matmul_fraction"] is None


def test_useful_work_is_the_same_for_both_sides(monkeypatch):
    steps = [
        {"trl": {"wall": 4.0}, "gammapo": {"wall": 1.0, "ideal_flops": 2e14}},
        {"trl": {"wall": 4.0}, "gammapo": {"wall": 1.0, "ideal_flops": 2e14}},
    ]
    monkeypatch.setattr(work, "peak_flops", lambda: 1e15)
    found = pair_training.useful_flops(steps)
    assert found["tflops"] == {"trl": 50.0, "gammapo": 200.0}
    assert found["mfu"] == {"trl": 0.05, "gammapo": 0.2}
    monkeypatch.setattr(work, "peak_flops", lambda: None)
    assert pair_training.useful_flops(steps)["mfu"] is None


@pytest.mark.parametrize(
    ("name", "peak"), [("NVIDIA H100 80GB HBM3", 989e12), ("NVIDIA H100 PCIe", 756e12), ("NVIDIA T4", None)]
)
def test_a_gpu_s_peak_goes_by_its_name(monkeypatch, name, peak):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: name)
    assert work.peak_flops() == peak


def test_the_memory_floor_is_16_bytes_a_parameter():
    assert pair_training.floor(4_000, 100) == {"gb": 0.0, "ratio": 0.4}


def test_longer_pairs_are_left_out():
    """The cap holds for the tokens drawn; 200 pairs of mean length 325 would break it many times."""
    from gammapo import models
    from gammapo.errors import InputError
    from gammapo.models import embedded

    try:
        tokenizer = models.load_tokenizer("smollm2")
    except InputError as error:
        pytest.skip(str(error))
    rows = texts.drawn_texts(embedded.model_folder(), 200, seed=0, longest=300)
    sizes = [len(tokenizer(r["prompt"]).input_ids + tokenizer(r["chosen"]).input_ids) for r in rows]
    assert max(sizes) <= 300
