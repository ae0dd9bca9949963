"""Against a real server: llama.cpp serving the embedded model on loopback."""

import pytest

from gammapo import generation
from gammapo.endpoint import EndpointError
from gammapo.errors import InputError
from gammapo.generation import Sampling
from gammapo.types import Message

PROMPTS = [
    [Message(role="user", content="What is the capital of France? Answer in one word.")],
    [Message(role="user", content="Write a long story about a river.")],
]


def test_answers_order_and_finish_reasons(llama_server):
    backend = generation.create("server", model=f"smollm2-135m@{llama_server}", concurrency=2)
    told, came = [], {}
    answers = backend.generate(
        PROMPTS,
        Sampling(max_new_tokens=12),
        progress=lambda *at: told.append(at),
        on_result=lambda index, result: came.setdefault(index, result),
    )
    [[paris], [counting]] = answers
    assert "Paris" in paris.text
    assert paris.finish_reason == "stop"
    assert counting.finish_reason == "length"
    assert told == [(1, 2), (2, 2)]
    assert [came[0], came[1]] == answers
    assert backend.name == "smollm2-135m"


def test_several_answers_have_seeds_of_their_own(llama_server):
    backend = generation.create("server", model=f"smollm2-135m@{llama_server}")
    sampling = Sampling(max_new_tokens=8, temperature=1.0, n=2, seed=5)
    [answers] = backend.generate(PROMPTS[1:], sampling)
    assert len(answers) == 2
    assert answers[0].text != answers[1].text


def test_no_server_and_no_address():
    backend = generation.create("server", model="m@http://127.0.0.1:9", attempts=2, backoff=0.01)
    came = []
    with pytest.raises(EndpointError, match=r"connection to http://127.0.0.1:9/v1 failed.*after 2 attempts"):
        backend.generate(PROMPTS, Sampling(), on_result=lambda *result: came.append(result))
    assert came == []
    with pytest.raises(InputError, match="url: got 'elsewhere'"):
        generation.create("server", model="m@elsewhere")
