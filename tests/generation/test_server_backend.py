"""Against a real server: llama.cpp serving the embedded model on loopback."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

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


class Replies(BaseHTTPRequestHandler):
    """Answers the first calls, refuses all later ones for good."""

    good, calls = 4, 0

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        type(self).calls += 1
        body = b'{"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}'
        self.send_response(200 if type(self).calls <= self.good else 400)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def refusing():
    kind = type("Handler", (Replies,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield kind, f"m@http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_a_refusal_ends_the_run_and_keeps_what_came(refusing):
    """Many more prompts than calls in flight: those that wait are given up, and the run does not hang."""
    kind, model = refusing
    backend = generation.create("server", model=model, concurrency=2)
    came, ended = [], []

    def run():
        try:
            backend.generate(PROMPTS[:1] * 30, Sampling(), on_result=lambda *result: came.append(result))
        except EndpointError as error:
            ended.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive()
    assert "HTTP 400" in str(ended[0])
    assert len(came) == 4
    assert kind.calls < 15


def test_an_interrupt_starts_no_further_call(refusing):
    kind, model = refusing
    kind.good = 1000
    backend = generation.create("server", model=model, concurrency=2)

    def interrupt(*result):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        backend.generate(PROMPTS[:1] * 300, Sampling(), on_result=interrupt)
    assert kind.calls < 100


def test_every_answer_has_a_seed_of_its_own(monkeypatch):
    asked = []

    def chat(self, request):
        asked.append(request["seed"])
        return {"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}

    monkeypatch.setattr("gammapo.endpoint.Endpoint.chat", chat)
    backend = generation.create("server", model="m@http://127.0.0.1:9")
    backend.generate(PROMPTS, Sampling(n=2, seed=5))
    again, asked[:] = sorted(asked), []
    backend.generate(PROMPTS, Sampling(n=2, seed=5))
    assert sorted(asked) == again
    assert len(set(asked)) == 2 * len(PROMPTS)
    assert all(0 <= seed < 2**31 for seed in asked)
