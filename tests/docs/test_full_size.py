"""The tables of docs/full-size.md, made again from `gammapo.planning`."""

from pathlib import Path

import pytest
from transformers import Qwen2Config

from gammapo.planning.memory import GIB, Memory, Setting, estimate_memory
from gammapo.planning.shape import shape_of
from gammapo.planning.work import Lengths, hours, training_flops, triangle

TEXT = (Path(__file__).parents[2] / "docs/full-size.md").read_text()
PAIRS, PROMPT, ANSWER = 60_000, 200, 300  # as the page assumes


@pytest.fixture(scope="module")
def qwen():
    """Qwen2.5-7B's shape, from its published config."""
    return shape_of(
        Qwen2Config(
            vocab_size=152064,
            hidden_size=3584,
            intermediate_size=18944,
            num_hidden_layers=28,
            num_attention_heads=28,
            num_key_value_heads=4,
            tie_word_embeddings=False,
        )
    )


def row(title):
    """The numbers of a table's row, in order."""
    (line,) = (line for line in TEXT.splitlines() if line.startswith(f"| {title} |"))
    cells = [cell.strip(" *h") for cell in line.split("|")[2:-1]]
    return [float(cell) for cell in cells if cell not in ("", "–")]


def memory(qwen, gpus, engine="zero3", lora=None) -> Memory:
    return estimate_memory(
        qwen,
        Setting(
            gpus=gpus,
            engine=engine,
            tokens=8192,
            scored=8192 * 2 * ANSWER // (PROMPT + 2 * ANSWER),
            checkpointing=True,
            lora_rank=lora,
            weights_dtype="float32" if lora is None else "bfloat16",
        ),
    )


COLUMNS = [{"gpus": 4}, {"gpus": 8}, {"gpus": 16}, {"gpus": 1, "lora": 16}]


@pytest.mark.parametrize(
    ("title", "parts"),
    [
        ("weights, gradients, AdamW", ("weights", "gradients", "optimiser")),
        ("whole for the moment", ("gathered",)),
        ("activations", ("activations",)),
        ("head chunk", ("head",)),
        ("context and fragments", ("overhead",)),
    ],
)
def test_memory_part_by_part(title, parts, qwen):
    found = [sum(getattr(memory(qwen, **one), part) for part in parts) / GIB for one in COLUMNS]
    assert row(title) == pytest.approx(found, abs=0.06)


def test_memory_in_all(qwen):
    assert row("**in all, ZeRO-3**") == [round(memory(qwen, **one).total / GIB) for one in COLUMNS]
    fsdp2 = [round(memory(qwen, engine="fsdp2", **one).total / GIB) for one in COLUMNS]
    assert row("in all, FSDP2") == fsdp2
    assert f"would take {memory(qwen, 1).total / GIB:.0f} GiB" in TEXT


def test_hours(qwen):
    attended = triangle(PROMPT) + 2 * (ANSWER * PROMPT + triangle(ANSWER))
    tokens, scored = PROMPT + 2 * ANSWER, 2 * ANSWER
    lengths = Lengths(pairs=PAIRS, tokens=PAIRS * tokens, scored=PAIRS * scored, attended=PAIRS * attended)

    def needed(adapters):
        passes = [(False, False), (True, False), (True, True)]  # simpo, gamma_simpo, gammapo
        return [
            hours(
                training_flops(
                    qwen, lengths, checkpointing=True, couples=couples, adapters=adapters, reference=reference
                ),
                gpus=1,
            )
            for couples, reference in passes
        ]

    full, lora = needed(False), needed(True)
    assert row("GPU-hours, full") == pytest.approx([*full, full[-1] / 8], abs=0.06)
    assert row("GPU-hours, LoRA") == pytest.approx(lora, abs=0.06)
