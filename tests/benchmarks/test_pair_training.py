"""What the speed comparison counts and how it judges, by hand. It is never timed here."""

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


def test_the_shortest_step_is_the_untimed_one():
    rows = [{"prompt": "p" * n, "chosen": "c", "rejected": "r"} for n in (9, 9, 2, 2, 5, 5)]
    moved = texts.shortest_step_first(rows, 2)
    assert [len(r["prompt"]) for r in moved] == [2, 2, 9, 9, 5, 5]


def test_grouped_batches_hold_like_lengths():
    rows = [{"prompt": "p" * n, "chosen": "c", "rejected": "r"} for n in range(1, 201)]
    found = texts.grouped(rows, 4, 5, seed=0)
    assert len(found) == 20
    for start in range(0, 20, 4):
        sizes = [len(r["prompt"]) for r in found[start : start + 4]]
        assert max(sizes) - min(sizes) < 30
