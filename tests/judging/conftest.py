"""A loopback server that misbehaves on demand, and keeps the books of what it was paid for."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from math import log

import pytest


def good_reply(
    body: dict, *, model: str = "served-1", first: float | None = None, letters: tuple[str, str] = ("A", "B")
) -> dict:
    """A reply whose probability of "A" follows from the request, so that every request has its own."""
    a, b = letters
    if first is None:
        first = (1 + hashlib.sha256(json.dumps(body["messages"]).encode()).digest()[0]) / 258
    top = [{"token": a, "logprob": log(0.9 * first)}, {"token": f" {b}", "logprob": log(0.9 * (1 - first))}]
    return {
        "model": model,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": a if first > 0.5 else b},
                "finish_reason": "length",
                "logprobs": {"content": [{**top[0], "top_logprobs": top}]},
            }
        ],
        "usage": {"prompt_tokens": 300, "completion_tokens": 1},
    }


class FaultyServer:
    """Answers well unless `plan(number of this try of this request, number of the call)` names a fault, or
    `faults_of` does for a request that holds a text.

    `tries` counts calls a request; `paid` counts good replies a request, as a bill would.
    """

    def __init__(self):
        self.plan = lambda attempt, call: "good"
        self.faults_of: dict[str, str] = {}
        self.tries: Counter[str] = Counter()
        self.paid: Counter[str] = Counter()
        self.model, self.delay, self.at_once, self.most_at_once = "served-1", 0.0, 0, 0
        self.letters = ("A", "B")
        self.first: float | None = None  # probability of "A" in every reply; None: by the request
        self.times: list[float] = []
        self.headers_seen: list[dict] = []
        self._guard = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                outer.serve(self)

            def log_message(self, *args):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.closing = threading.Event()
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_address[1]}/v1"

    def close(self):
        self.closing.set()
        self.http.shutdown()
        self.http.server_close()
        self.thread.join(5)

    def serve(self, handler):
        body = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        key = hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
        with self._guard:
            self.times.append(time.monotonic())
            self.headers_seen.append(dict(handler.headers))
            self.tries[key] += 1
            attempt, call = self.tries[key], sum(self.tries.values())
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            self.closing.wait(self.delay)
            held = [fault for text, fault in self.faults_of.items() if text in json.dumps(body)]
            fault = held[0] if held else self.plan(attempt, call)
            if fault in ("good", "no log-probs", "junk", "empty text", "thinking"):
                with self._guard:
                    self.paid[key] += 1
            getattr(self, "_" + fault.replace(" ", "_").replace("-", "_"))(handler, body)
        except OSError:
            pass  # the client has gone
        finally:
            with self._guard:
                self.at_once -= 1

    def _send(self, handler, status, text, *, headers=(), claim=None):
        data = text.encode()
        handler.send_response(status)
        for name, value in headers:
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(claim or len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    def _good(self, handler, body):
        self._send(
            handler,
            200,
            json.dumps(good_reply(body, model=self.model, first=self.first, letters=self.letters)),
        )

    def _429(self, handler, body):
        self._send(handler, 429, '{"error": "slow down"}', headers=[("Retry-After", "0.3")])

    def _429_long(self, handler, body):
        self._send(handler, 429, '{"error": "come back tomorrow"}', headers=[("Retry-After", "86400")])

    def _500(self, handler, body):
        self._send(handler, 500, "oops")

    def _400(self, handler, body):
        self._send(handler, 400, '{"error": "maximum context length exceeded; 9 tokens"}')

    def _401(self, handler, body):
        self._send(handler, 401, '{"error": "who are you"}')

    def _403(self, handler, body):
        self._send(handler, 403, '{"error": "not for you; flagged"}')

    def _moderated_with_200(self, handler, body):
        self._send(handler, 200, '{"error": {"code": 403, "message": "flagged", "metadata": {}}}')

    def _too_long_with_200(self, handler, body):
        self._send(handler, 200, '{"error": {"type": "invalid_request_error", "message": "too long"}}')

    def _busy_with_200(self, handler, body):
        self._send(handler, 200, '{"error": {"code": 429, "message": "slow down"}}')

    def _broke_with_200(self, handler, body):
        self._send(handler, 200, '{"error": {"code": "insufficient_quota"}}')

    def _html(self, handler, body):
        self._send(handler, 200, "<html><body>Gateway</body></html>")

    def _hang(self, handler, body):
        self.closing.wait(30)

    def _drip(self, handler, body):
        handler.send_response(200)
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        while not self.closing.wait(0.1):
            handler.wfile.write(b" ")
            handler.wfile.flush()

    def _cut(self, handler, body):
        text = json.dumps(good_reply(body))
        self._send(handler, 200, text[: len(text) // 2], claim=len(text))

    def _cut_without_length(self, handler, body):
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(json.dumps(good_reply(body)).encode()[:80])

    def _hang_up(self, handler, body):
        handler.connection.close()

    def _no_choices(self, handler, body):
        self._send(handler, 200, '{"choices": []}')

    def _no_log_probs(self, handler, body):
        reply = good_reply(body, model=self.model)
        reply["choices"][0]["logprobs"] = None
        self._send(handler, 200, json.dumps(reply))

    def _junk(self, handler, body):
        reply = good_reply(body, model=self.model)
        reply["choices"][0]["message"]["content"] = "Well"
        top = [{"token": "Well", "logprob": -0.1}, {"token": "The", "logprob": -3.0}]
        reply["choices"][0]["logprobs"] = {"content": [{**top[0], "top_logprobs": top}]}
        self._send(handler, 200, json.dumps(reply))

    def _thinking(self, handler, body):
        """A model that would think first: the letters are among its likeliest tokens, and far behind."""
        reply = good_reply(body, model=self.model)
        top = [{"token": "<think>", "logprob": -0.001}, {"token": "A", "logprob": -9.0}]
        reply["choices"][0]["message"]["content"] = "<think>"
        reply["choices"][0]["logprobs"] = {"content": [{**top[0], "top_logprobs": top}]}
        self._send(handler, 200, json.dumps(reply))

    def _busy(self, handler, body):
        self._send(handler, 503, "later", headers=[("Retry-After", "60")])

    def _empty_text(self, handler, body):
        choice = {"message": {"content": ""}, "logprobs": None, "finish_reason": "stop"}
        self._send(handler, 200, json.dumps({"model": self.model, "choices": [choice]}))

    def _no_content(self, handler, body):
        choice = {"message": {"content": None}, "logprobs": None, "finish_reason": "error"}
        self._send(handler, 200, json.dumps({"model": self.model, "choices": [choice]}))

    def _odd(self, handler, body):
        """A good reply in all that counts, with a count, a name and a log-prob that fit nowhere."""
        reply = good_reply(body, model="served \ud83d", first=self.first)
        reply["usage"] = {"prompt_tokens": 10**30, "completion_tokens": {"all": 1}}
        reply["choices"][0]["logprobs"]["content"][0]["top_logprobs"].append(
            {"token": "C", "logprob": -(10**400)}
        )
        self._send(handler, 200, json.dumps(reply))

    def _bad_length(self, handler, body):
        self._send(handler, 200, json.dumps(good_reply(body)), claim="abc")

    def _deep(self, handler, body):
        self._send(handler, 200, '{"choices": ' + "[" * 50_000 + "]" * 50_000 + "}")


@pytest.fixture
def faulty():
    server = FaultyServer()
    yield server
    server.close()
