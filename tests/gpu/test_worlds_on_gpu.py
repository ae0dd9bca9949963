"""Runs of the benchmark and sampled answers on a GPU, against a CPU's."""

import pytest
import torch

from gammapo.benchmark.experiment import run
from gammapo.benchmark.grid import parse_grid
from gammapo.benchmark.specs import specs
from gammapo.generation import Sampling
from gammapo.generation.transformers_backend import TransformersBackend
from gammapo.types import Message

pytestmark = pytest.mark.gpu


def test_a_run_on_a_gpu_is_a_cpu_s_up_to_rounding(cuda):
    grid = {
        "worlds": [{"name": "softmax", "contexts": 16}],
        "losses": {"simpo": {}, "gammapo": {}, "ropo": {}},
        "noise": [{"kind": "symmetric", "rates": [0.3]}],
        "seeds": 1,
        "training": {"pairs": 256, "pairs_per_step": 64, "learning_rate": 0.05},
    }
    for spec in specs(parse_grid(grid)):
        here, there = run(spec), run(spec, device="cuda")
        assert there["device"] == torch.cuda.get_device_name()
        assert here["device"] == "cpu"
        for name in ("gold_reward", "kl"):
            assert there[name] == pytest.approx(here[name], abs=1e-3)
        assert there["held_out_accuracy"] == pytest.approx(here["held_out_accuracy"], abs=0.01)


def test_answers_are_those_of_a_cpu(cuda, smollm2):
    model, tokenizer = smollm2
    prompts = [(Message(role="user", content=text),) for text in ("Say hello.", "Name a river in Europe.")]
    sampling = Sampling(n=2, max_new_tokens=12, temperature=0.7, seed=3)
    expected = TransformersBackend(model=model, tokenizer=tokenizer).generate(prompts, sampling)
    try:
        found = TransformersBackend(model=model.to(cuda), tokenizer=tokenizer).generate(prompts, sampling)
    finally:
        model.cpu()
    assert found == expected
