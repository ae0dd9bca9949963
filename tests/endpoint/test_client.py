"""The small parts of the client, and what one call does with a server that answers byte by byte as told.

Whole rounds of calls are tested with the judge and the backend.
"""

import email.utils
import json
import socket
import threading
import time

import pytest

from gammapo.endpoint import OPENAI, Endpoint, EndpointError, has_answer, split_model_at_url
from gammapo.endpoint.meaning import parsed, seconds
from gammapo.errors import InputError

GOOD = b'{"choices": [{"message": {"content": "hi"}}]}'


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("http://localhost:8000", "http://localhost:8000/v1"),
        ("http://localhost:8000/", "http://localhost:8000/v1"),
        ("http://localhost:8000/v1/", "http://localhost:8000/v1"),
        ("https://example.org/api/v2", "https://example.org/api/v2"),
    ],
)
def test_addresses(given, used):
    assert Endpoint(url=given).url == used


@pytest.mark.parametrize(
    "bad",
    [
        "localhost:8000",
        "ftp://x",
        "http://",
        "nonsense",
        "http://[",
        "http://h:port",
        "http://h/a b",
        "http://ü",
    ],
)
def test_bad_addresses(bad):
    with pytest.raises(InputError, match="url: got"):
        Endpoint(url=bad)


def test_model_at_url():
    assert split_model_at_url("a/b@http://h:1/v1") == ("a/b", "http://h:1/v1")
    assert split_model_at_url("gpt-x") == ("gpt-x", OPENAI)
    with pytest.raises(InputError, match="MODEL@URL"):
        split_model_at_url("@http://h")


def test_retry_after():
    assert seconds("1.5") == 1.5
    assert seconds("-3") == 0.0
    assert seconds("soon") is None
    assert seconds(None) is seconds("nan") is seconds("inf") is None
    date = email.utils.format_datetime(email.utils.localtime().fromtimestamp(time.time() + 30).astimezone())
    assert 25 < seconds(date) <= 30


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html>",
        "[]",
        "null",
        '{"choices": []}',
        '{"choices": [1]}',
        '{"a',
        '{"choices": [{"message": {"content": null}, "logprobs": null, "finish_reason": "error"}]}',
        '{"choices": [{"message": null, "logprobs": {"content": []}}]}',
        '{"choices": ' + "[" * 50_000 + "]" * 50_000 + "}",
        '{"choices": [{"message": {"content": "hi"}}], "more": ' + "[" * 90 + "]" * 90 + "}",
        '{"choices": [{"message": {"content": "hi"}}], "more": ' + "9" * 5000 + "}",
    ],
    ids=lambda text: text[:90],
)
def test_bodies_without_a_reply(text):
    with pytest.raises(EndpointError):
        parsed(text)


def test_backoff_doubles_and_a_pause_asked_for_is_kept_up_to_a_limit():
    endpoint = Endpoint(backoff=1.0, longest_wait=10.0)
    plain = EndpointError("x")
    for attempt, most in ((1, 1), (2, 2), (3, 4), (9, 10)):
        waits = [endpoint._wait(attempt, plain) for _ in range(50)]
        assert most / 2 <= min(waits) <= max(waits) <= most
    assert endpoint._wait(1, EndpointError("x", retry_after=7.0)) == 7.0
    for asked in (0.0, 0.1):  # or all attempts would be spent within the time that the server is busy
        assert endpoint._wait(4, EndpointError("x", retry_after=asked)) >= 4.0
    assert endpoint._wait(5000, plain) <= 10.0
    assert endpoint._wait(1, EndpointError("x", retry_after=11.0)) is None


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"deadline": float("nan")}, "deadline"),
        ({"deadline": float("inf")}, "deadline"),
        ({"deadline": 0}, "deadline"),
        ({"attempts": 0}, "attempts"),
    ],
)
def test_settings_without_an_end_or_a_beginning(settings, field):
    with pytest.raises(InputError, match=f"{field}: got"):
        Endpoint(**settings)


def test_an_answer_is_text_or_log_probs():
    def reply(**choice):
        return {"choices": [choice]}

    assert has_answer(reply(message={"content": ""}))
    assert has_answer(reply(message=None, logprobs={"content": [{"token": "A"}]}))
    assert not has_answer(reply(message={"content": None}, logprobs=None))
    for broken_off in ("error", "abort", "insufficient_system_resource"):
        assert not has_answer(reply(message={"content": "cut"}, finish_reason=broken_off))
    assert not any(map(has_answer, (None, {}, {"choices": []}, {"choices": [None]}, [])))


class Wire:
    """A loopback server that sends each of its connections the pieces told, `pause` seconds between two."""

    def __init__(self):
        self.answers: list[list[bytes]] = []  # one a connection, the last again and again
        self.pause = 0.0
        self.calls: list[bytes] = []
        self.left = threading.Event()  # a client has hung up
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return  # closed
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection):
        with connection:
            try:
                self.calls.append(connection.recv(1 << 16))
                pieces = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                for piece in pieces:
                    connection.sendall(piece)
                    time.sleep(self.pause)
            except OSError:
                self.left.set()

    def close(self):
        self._socket.close()


@pytest.fixture
def wire():
    server = Wire()
    yield server
    server.close()


def answer(status: bytes, body: bytes = b"", *headers: bytes) -> bytes:
    lines = [b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def bytewise(data: bytes) -> list[bytes]:
    return [data[place : place + 1] for place in range(len(data))]


@pytest.mark.parametrize(
    ("scheme", "pieces", "said"),
    [
        ("http", bytewise(answer(b"200 OK", GOOD, b"X: " + b"a" * 60)), "no whole reply within 0.5 s"),
        ("http", [answer(b"200 OK", GOOD)[:-20], *bytewise(GOOD[-20:])], "no whole reply within 0.5 s"),
        ("http", [answer(b"500 Oops", b"x" * 40)[:-40], *bytewise(b"x" * 40)], "HTTP 500"),
        ("http", [answer(b"401 Who", b"x" * 40)[:-40], *bytewise(b"x" * 40)], "HTTP 401"),
        ("https", [b"\x16\x03\x03\x40\x00", *bytewise(bytes(40))], "no whole reply within 0.5 s"),
    ],
    ids=["headers", "body", "body of a 500", "body of a 401", "TLS handshake"],
)
def test_the_deadline_holds_in_every_phase(wire, scheme, pieces, said):
    """A byte every 0.2 s never lets a socket's timeout of 0.5 s run out; all would take 4 s or more."""
    wire.answers, wire.pause = [pieces], 0.2
    started = time.monotonic()
    with pytest.raises(EndpointError, match=said) as error:
        Endpoint(url=f"{scheme}://{wire.address}", deadline=0.5, attempts=1).chat({})
    assert 0.4 < time.monotonic() - started < 2.5
    assert error.value.fatal == ("401" in said)


def test_a_server_that_is_late_is_hung_up_on(wire):
    wire.answers, wire.pause = [bytewise(answer(b"200 OK", GOOD))], 0.05
    with pytest.raises(EndpointError, match="no whole reply"):
        Endpoint(url=f"http://{wire.address}", deadline=0.3, attempts=1).chat({})
    assert wire.left.wait(5)


@pytest.mark.parametrize("status", [b"301 Moved", b"302 Found", b"303 See", b"307 There", b"308 There"])
def test_redirects_are_not_followed_and_the_key_stays(wire, monkeypatch, status):
    monkeypatch.setenv("GAMMAPO_API_KEY", "secret")
    other = Wire()
    other.answers = [[answer(b"200 OK", GOOD)]]
    new = f"http://{other.address}/v1"
    wire.answers = [[answer(status, b"", f"Location: {new}/chat/completions".encode())]]
    with pytest.raises(EndpointError, match=f"redirects to {new}/chat/.* MODEL@{new} ") as error:
        Endpoint(url=f"http://{wire.address}", backoff=0.01).chat({})
    other.close()
    assert error.value.fatal
    assert (len(wire.calls), other.calls) == (1, [])
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    ("status", "fatal", "alone", "calls"),
    [
        (b"400 Bad", False, True, 1),
        (b"413 Long", False, True, 1),
        (b"422 What", False, True, 1),
        (b"401 Who", True, False, 1),
        (b"402 Pay", True, False, 1),
        (b"403 No", False, True, 1),
        (b"404 None", True, False, 1),
        (b"405 So", True, False, 1),
        (b"429 Slow", False, False, 2),
        (b"503 Later", False, False, 2),
    ],
)
def test_what_a_status_means(wire, status, fatal, alone, calls):
    wire.answers = [[answer(status, b'{"error": "for a reason"}')]]
    with pytest.raises(EndpointError, match=f"HTTP {status[:3].decode()}: .*for a reason") as error:
        Endpoint(url=f"http://{wire.address}", attempts=2, backoff=0.01).chat({})
    assert (error.value.fatal, error.value.alone, len(wire.calls)) == (fatal, alone, calls)
    assert error.value.denied == (status == b"403 No"), "the key may be what it is for"


@pytest.mark.parametrize("status", [b"429 Slow", b"403 No"])
def test_an_account_without_money_is_not_asked_again(wire, status):
    """OpenAI says so with the status of a server that is merely busy."""
    wire.answers = [[answer(status, b'{"error": {"code": "insufficient_quota"}}')]]
    with pytest.raises(EndpointError, match=f"HTTP {status[:3].decode()}: .*insufficient_quota") as error:
        Endpoint(url=f"http://{wire.address}", attempts=5, backoff=0.01).chat({})
    assert (error.value.fatal, error.value.denied, len(wire.calls)) == (True, False, 1)


@pytest.mark.parametrize(
    ("error", "status", "fatal", "alone", "calls"),
    [
        ({"code": 429, "message": "slow down"}, 429, False, False, 2),
        ({"code": "rate_limit_exceeded", "type": "tokens"}, 429, False, False, 2),
        ({"code": 429, "status": "RESOURCE_EXHAUSTED"}, 429, False, False, 2),
        ({"type": "overloaded_error", "message": "busy"}, 503, False, False, 2),
        ({"type": "server_error", "code": None}, 503, False, False, 2),
        ({"code": "502", "message": "upstream"}, 502, False, False, 2),
        ({"type": "invalid_request_error", "code": "context_length_exceeded"}, 400, False, True, 1),
        ({"type": "BadRequestError", "code": 400}, 400, False, True, 1),
        ({"code": "content_filter"}, 400, False, True, 1),
        ({"code": 403, "message": "flagged", "metadata": {"reasons": ["violence"]}}, 403, False, True, 1),
        ({"type": "insufficient_quota", "code": "insufficient_quota"}, 402, True, False, 1),
        ({"type": "insufficient_quota", "code": 429}, 429, True, False, 1),
        ({"type": "invalid_request_error", "code": "invalid_api_key"}, 401, True, False, 1),
        ({"type": "invalid_request_error", "code": "model_not_found"}, 404, True, False, 1),
        ({"code": 1301, "message": "a number of its own"}, None, False, True, 2),
        ({"code": True, "type": ["x"]}, None, False, True, 2),
        ("only words", None, False, True, 2),
    ],
)
def test_an_error_under_the_status_of_a_success_means_what_it_says(wire, error, status, fatal, alone, calls):
    body = json.dumps({"error": error}).encode()
    wire.answers = [[answer(b"200 OK", body)]]
    said = "of no known kind" if status is None else f"as HTTP {status}"
    with pytest.raises(EndpointError, match=f"the reply holds an error,? {said}: ") as failed:
        Endpoint(url=f"http://{wire.address}", attempts=2, backoff=0.01).chat({})
    found = failed.value
    assert (found.fatal, found.alone, len(wire.calls)) == (fatal, alone, calls)
    assert found.denied == (status == 403)


@pytest.mark.parametrize(
    "body",
    [
        {"object": "error", "message": "too long", "type": "BadRequestError", "code": 400},
        {"choices": [], "error": {"code": 400}},
        {"choices": [{"finish_reason": "error", "message": {"content": ""}, "error": {"code": 400}}]},
    ],
    ids=["flat", "beside no choices", "of a choice"],
)
def test_where_servers_put_an_error(body):
    with pytest.raises(EndpointError, match="as HTTP 400") as error:
        parsed(json.dumps(body))
    assert error.value.alone


def test_an_answer_is_an_answer_whatever_stands_beside_it():
    for error in (None, {}, {"code": 400}):
        assert has_answer(parsed(json.dumps({**json.loads(GOOD), "error": error})))


def test_a_pause_asked_for_with_an_error_under_200_is_kept(wire):
    wire.answers = [
        [answer(b"200 OK", b'{"error": {"code": 429}}', b"Retry-After: 0.4")],
        [answer(b"200 OK", GOOD)],
    ]
    started = time.monotonic()
    assert Endpoint(url=f"http://{wire.address}", backoff=0.01).chat({}) == json.loads(GOOD)
    assert time.monotonic() - started >= 0.4


@pytest.mark.parametrize("reason", ["content_filter", "length"])
def test_what_another_attempt_would_not_bring_is_not_paid_for_again(wire, reason):
    """An answer that was filtered, or that spent all its tokens on thoughts which are not shown."""
    choice = {"message": {"content": None}, "logprobs": None, "finish_reason": reason}
    wire.answers = [[answer(b"200 OK", json.dumps({"choices": [choice]}).encode())]]
    with pytest.raises(EndpointError, match=f"holds no answer.*{reason}") as error:
        Endpoint(url=f"http://{wire.address}", attempts=5, backoff=0.01).chat({})
    assert (error.value.alone, len(wire.calls)) == (True, 1)


def test_a_call_that_waits_is_ended_when_told(wire):
    wire.answers = [[answer(b"503 Later", b"", b"Retry-After: 60")]]
    endpoint = Endpoint(url=f"http://{wire.address}", attempts=5)
    threading.Timer(0.3, endpoint.stopped.set).start()
    started = time.monotonic()
    with pytest.raises(EndpointError, match=r"HTTP 503.*\(after 1 attempt\)"):
        endpoint.chat({})
    assert time.monotonic() - started < 10
    assert len(wire.calls) == 1


@pytest.mark.parametrize(
    "broken",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: abc\r\n\r\n" + GOOD,
        answer(b"200 OK", b'{"choices": ' + b"[" * 50_000 + b"]" * 50_000 + b"}"),
        answer(b"200 OK", b'{"choices": [{"message": {"content": null}, "logprobs": null}]}'),
    ],
    ids=["length", "deep", "no content"],
)
def test_a_broken_body_is_retried(wire, broken):
    wire.answers = [[broken], [answer(b"200 OK", GOOD)]]
    told = []
    reply = Endpoint(url=f"http://{wire.address}", backoff=0.01, on_fault=told.append).chat({})
    assert reply == json.loads(GOOD)
    assert (len(told), len(wire.calls)) == (1, 2)


def test_a_key_that_no_header_can_carry_is_not_shown(wire, monkeypatch):
    monkeypatch.setenv("GAMMAPO_API_KEY", "secret\nX: y")
    with pytest.raises(InputError, match="GAMMAPO_API_KEY: holds a line break") as error:
        Endpoint(url=f"http://{wire.address}").chat({})
    assert "secret" not in str(error.value)
    monkeypatch.setenv("GAMMAPO_API_KEY", "secret\r\n")
    wire.answers = [[answer(b"200 OK", GOOD)]]
    Endpoint(url=f"http://{wire.address}").chat({})
    assert b"Authorization: Bearer secret\r\n" in wire.calls[0]
