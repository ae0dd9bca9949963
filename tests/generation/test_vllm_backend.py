"""What is handed to vLLM's engine and taken from it; the engine needs a GPU, so a stand-in records calls."""

import sys
from types import ModuleType, SimpleNamespace

import pytest

from gammapo import generation
from gammapo.data import encode_prompt
from gammapo.errors import InputError, MissingExtraError
from gammapo.generation import Sampling
from gammapo.types import Message

PROMPTS = [[Message(role="user", content=text)] for text in ("yes", "a river", "no")]


@pytest.fixture
def engine(monkeypatch):
    calls = []

    class LLM:
        def __init__(self, **settings):
            calls.append(settings)

        def generate(self, prompts, several, use_tqdm):
            calls.append((prompts, several))
            return [
                SimpleNamespace(
                    outputs=[
                        SimpleNamespace(
                            text=f"{len(prompt['prompt_token_ids'])}.{n}", token_ids=[n], finish_reason=r
                        )
                        for n, r in zip(range(params.n), ("stop", "length")[: params.n], strict=True)
                    ]
                )
                for prompt, params in zip(prompts, several, strict=True)
            ]

    stand_in = ModuleType("vllm")
    stand_in.LLM, stand_in.SamplingParams = LLM, lambda **settings: SimpleNamespace(**settings)
    monkeypatch.setitem(sys.modules, "vllm", stand_in)
    return calls


def test_ids_with_one_bos_stop_tokens_and_sampling_reach_the_engine(engine, tiny_model_dir, tiny_tokenizer):
    backend = generation.create("vllm", model=tiny_model_dir, chunk=2)
    assert engine.pop(0)["model"] == str(tiny_model_dir)
    came = []
    answers = backend.generate(
        PROMPTS,
        Sampling(max_new_tokens=9, temperature=0.7, top_p=0.9, n=2, seed=4),
        on_result=lambda index, result: came.append(index),
    )
    ids = [encode_prompt(tiny_tokenizer, prompt) for prompt in PROMPTS]
    sent = [prompt["prompt_token_ids"] for prompts, _ in engine for prompt in prompts]
    assert sent == ids
    several = [vars(params) for _, params_of in engine for params in params_of]
    seeds = {params.pop("seed") for params in several}
    assert len(seeds) == len(PROMPTS)
    assert all(0 <= seed < 2**31 for seed in seeds)
    end = tiny_tokenizer.convert_tokens_to_ids("<|end|>")
    asked = {"n": 2, "temperature": 0.7, "top_p": 0.9, "max_tokens": 9, "stop_token_ids": [end]}
    assert several == [asked] * len(PROMPTS)
    assert came == [0, 1, 2]
    assert [[answer.text for answer in of] for of in answers] == [[f"{len(i)}.0", f"{len(i)}.1"] for i in ids]
    assert [answer.finish_reason for answer in answers[0]] == ["stop", "length"]


def test_without_vllm_the_extra_is_named(monkeypatch, tiny_model_dir):
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(MissingExtraError, match=r"gammapo\[vllm\]"):
        generation.create("vllm", model=tiny_model_dir)


def test_an_adapter_is_no_model(engine, tmp_path):
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(InputError, match="export RUN_FOLDER"):
        generation.create("vllm", model=tmp_path)


def test_several_greedy_answers_are_one_since_the_engine_refuses_them(engine, tiny_model_dir):
    answers = generation.create("vllm", model=tiny_model_dir).generate(PROMPTS[:1], Sampling(n=3))
    assert [params.n for params in engine[-1][1]] == [1]
    assert [[answer.text for answer in of] for of in answers] == [[answers[0][0].text] * 3]


def test_a_prompt_that_is_too_long_is_named_before_any_is_answered(engine, tiny_model_dir):
    backend = generation.create("vllm", model=tiny_model_dir, chunk=1)
    backend.engine.model_config = SimpleNamespace(max_model_len=8)
    long = [Message(role="user", content="a river " * 9)]
    with pytest.raises(InputError, match="prompt 2 has .* tokens; expected fewer than the engine's 8"):
        backend.generate([PROMPTS[0], long], Sampling())
    assert len(engine) == 1  # the engine was made, and asked nothing
