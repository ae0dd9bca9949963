"""Against a real server: llama.cpp serving the embedded model on loopback."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from gammapo import generation
from gammapo.endpoint import EndpointError
from gammapo.errors import InputError
from gammapo.generation import RefusedError, Sampling
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
    """Answers the first calls, and gives `status` to all later ones and to those that hold `poison`."""

    good, calls, status, poison, text, reason = 4, 0, 401, b"\0", '"hi"', "stop"

    def do_POST(self):
        asked = self.rfile.read(int(self.headers["Content-Length"]))
        type(self).calls += 1
        body = b'{"choices": [{"message": {"content": %s}, "finish_reason": "%s"}]}'
        body %= self.text.encode(), self.reason.encode()
        bad = self.poison in asked or type(self).calls > self.good
        self.send_response(self.status if bad else 200)
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
    assert "HTTP 401" in str(ended[0])
    assert len(came) == 4
    assert kind.calls < 15


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_refused_prompt_keeps_no_other_from_its_answer(refusing, status):
    kind, model = refusing
    kind.good, kind.status, kind.poison = 1000, status, b"too long"
    backend = generation.create("server", model=model, concurrency=2)
    prompts = [[Message(role="user", content="too long" if n % 4 == 0 else f"{n}")] for n in range(80)]
    came = {}
    with pytest.raises(RefusedError, match=f"20 prompts .* first is number 1: HTTP {status}") as error:
        backend.generate(prompts, Sampling(n=2), on_result=came.__setitem__)
    assert sorted(error.value.refused) == list(range(0, 80, 4))
    assert sorted(came) == [n for n in range(80) if n % 4]
    assert 120 + 20 <= kind.calls <= 120 + 40


def test_a_server_that_refuses_all_prompts_is_left_early(refusing):
    kind, model = refusing
    kind.status = 400
    backend = generation.create("server", model=model, concurrency=2)
    came = {}
    with pytest.raises(
        EndpointError, match="11 prompts one after another failed, more than --max-refused.*HTTP 400"
    ):
        backend.generate(PROMPTS[:1] * 300, Sampling(), on_result=came.__setitem__)
    assert len(came) == 4
    assert kind.calls < 4 + 11 + 2
    patient = generation.create("server", model=model, concurrency=2, max_refused=20)
    with pytest.raises(RefusedError, match="15 prompts"):
        patient.generate(PROMPTS[:1] * 15, Sampling())


def test_a_reply_without_text_is_asked_for_again_and_never_an_answer(refusing):
    kind, model = refusing
    kind.text = "null"
    backend = generation.create("server", model=model, attempts=3, backoff=0.01)
    with pytest.raises(RefusedError, match=r"number 1: the reply holds no answer.*after 3 attempts"):
        backend.generate(PROMPTS[:1], Sampling())
    assert kind.calls == 3


def test_an_answer_that_a_filter_broke_off_is_none(refusing):
    kind, model = refusing
    kind.text, kind.reason = '"The first step is"', "content_filter"
    came = {}
    with pytest.raises(RefusedError, match="number 1: a content filter of m broke its answer off"):
        generation.create("server", model=model).generate(PROMPTS[:1], Sampling(), on_result=came.__setitem__)
    assert (came, kind.calls) == ({}, 1)


def test_calls_that_wait_for_another_attempt_are_given_up_with_the_run(refusing):
    """A busy server asks one call to wait a minute; then the key turns out to be wrong."""
    kind, model = refusing
    kind.good = 0
    statuses = iter([503, 401, 401, 401])

    def answer(handler):
        handler.rfile.read(int(handler.headers["Content-Length"]))
        handler.send_response(status := next(statuses))
        if status == 503:
            handler.send_header("Retry-After", "60")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    kind.do_POST = answer
    started = time.monotonic()
    with pytest.raises(EndpointError, match="HTTP 401"):
        generation.create("server", model=model, concurrency=2).generate(PROMPTS, Sampling())
    assert time.monotonic() - started < 20


def test_half_a_character_of_a_reply_can_be_written_down(refusing):
    kind, model = refusing
    kind.text = r'"a \ud83d, \ud83d\ude00 b"'
    [[answer]] = generation.create("server", model=model).generate(PROMPTS[:1], Sampling())
    assert answer.text == "a \ufffd, \U0001f600 b"


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
