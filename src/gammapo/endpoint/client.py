"""Calls to an OpenAI-compatible server: a deadline for each, retries with backoff, faults told apart.

Only whole, well-formed replies are returned; everything else is retried a bounded number of times or
raised. Nothing is kept here: whoever pays for a reply records it.
"""

from __future__ import annotations

import email.utils
import http.client
import json
import math
import os
import random
import socket
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import Message as Headers
from typing import Any
from urllib.parse import urljoin, urlsplit

from gammapo.errors import InputError, RunError

OPENAI = "https://api.openai.com/v1"
PATH = "/chat/completions"
RETRIED = {408, 409, 425, 429}  # and every 5xx
FATAL = {401, 402, 403, 404, 405, 407, 410}  # key, account, address or model, the same in every call
SPENT = "insufficient_quota"  # OpenAI's word, under 429, for an account without money
BROKEN_OFF = ("error", "abort", "insufficient_system_resource")  # finish reasons of a server in trouble
SETTLED = ("content_filter", "length")  # those that another attempt would end with too
DEEPEST = 64  # levels of a reply; real ones have about 8, and thousands would break whoever reads them again


class EndpointError(RunError):
    """A call that stayed without a usable reply.

    Attributes:
        fatal: no other call can succeed either: the key, the address or the model is wrong.
        alone: the fault lies with this request (too long, say), and others may succeed.
        retried: another attempt may succeed.
        retry_after: seconds that the server asks to wait before it.
    """

    def __init__(
        self,
        problem: str,
        *,
        fatal: bool = False,
        alone: bool = False,
        retried: bool = True,
        retry_after: float | None = None,
    ):
        super().__init__(problem)
        self.fatal, self.alone, self.retried, self.retry_after = fatal, alone, retried, retry_after


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One server, as seen by its clients. May be used from several threads.

    Attributes:
        url: base, such as "http://localhost:8000/v1"; "/v1" is added where there is no path.
        deadline: seconds that one attempt may take, from looking the name up to the last byte.
        attempts: tries a call, the first included.
        backoff: seconds before the first retry, doubled for every further one, with jitter.
        longest_wait: seconds; a server that asks for a longer pause makes the call fail instead.
        on_fault: told of every attempt that failed, in words.
        stopped: once it is set, a call in flight makes no further attempt; it does not wait for one either.
    """

    url: str = OPENAI
    deadline: float = 120.0
    attempts: int = 6
    backoff: float = 1.0
    longest_wait: float = 120.0
    on_fault: Callable[[str], None] | None = field(default=None, compare=False)
    stopped: threading.Event = field(default_factory=threading.Event, compare=False)

    def __post_init__(self):
        if not _is_address(self.url):
            raise InputError(
                f"got {self.url!r}", field="url", expected="an address such as http://localhost:8000/v1"
            )
        if not 0 < self.deadline <= threading.TIMEOUT_MAX:  # NaN is neither
            raise InputError(f"got {self.deadline}", field="deadline", expected="seconds above 0")
        if self.attempts < 1:
            raise InputError(f"got {self.attempts}", field="attempts", expected="at least 1")
        base = self.url.rstrip("/")
        has_path = urlsplit(self.url).path.strip("/")
        object.__setattr__(self, "url", base if has_path else base + "/v1")

    def chat(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The reply to one chat completion; its first choice holds text or log-probs.

        Raises:
            EndpointError: no usable reply after all attempts, or a refusal that retrying cannot mend.
            InputError: the key in the environment cannot be sent.
        """
        for attempt in range(1, self.attempts + 1):
            try:
                return self._attempt(request)
            except EndpointError as error:
                if self.on_fault:
                    self.on_fault(str(error))
                wait = self._wait(attempt, error)
                last = not error.retried or attempt == self.attempts
                if last or wait is None or self.stopped.wait(wait):
                    problem = f"{error} (after {attempt} attempt{'s' if attempt > 1 else ''})"
                    raise EndpointError(problem, fatal=error.fatal, alone=error.alone) from error
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _wait(self, attempt: int, error: EndpointError) -> float | None:
        """Seconds before the next attempt; None if the server asks for more patience than allowed.

        No shorter than our own pause, which grows: some servers ask for none while they are busy.
        """
        own = min(self.longest_wait, self.backoff * 2.0 ** min(attempt - 1, 60)) * random.uniform(0.5, 1.0)
        asked = error.retry_after or 0.0
        return max(asked, own) if asked <= self.longest_wait else None

    def _attempt(self, request: Mapping[str, Any]) -> dict[str, Any]:
        call = urllib.request.Request(
            self.url + PATH, json.dumps(request).encode(), self._headers(), method="POST"
        )
        late = f"no whole reply within {self.deadline:g} s"
        try:
            answer = _Exchange(call, self.deadline).answer()
        except TimeoutError as error:
            raise EndpointError(late) from error
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            if isinstance(reason, TimeoutError):
                raise EndpointError(late) from error
            raise EndpointError(f"the connection to {self.url} failed: {reason!r}") from error
        if not _is_success(answer.status):
            raise _refusal(answer, call.full_url)
        length = answer.headers.get("Content-Length")
        if length is not None and not length.strip().isdecimal():  # then nothing says that it is whole
            raise EndpointError(f"the reply's Content-Length is no number: {_short(length)}")
        return _parsed(answer.text)

    def _headers(self) -> dict[str, str]:
        names = ["GAMMAPO_API_KEY"]
        if urlsplit(self.url).hostname == urlsplit(OPENAI).hostname:
            names.append("OPENAI_API_KEY")  # sent to its own host only
        headers = {"Content-Type": "application/json", "User-Agent": "gammapo"}
        for name in names:
            if (key := os.environ.get(name)) is not None:
                return {**headers, "Authorization": f"Bearer {_sendable(key, name)}"} if key else headers
        return headers


def split_model_at_url(text: str) -> tuple[str, str]:
    """ "MODEL@URL" → (model, url); without "@" the URL is OpenAI's."""
    model, at, url = text.rpartition("@")
    if not at:
        model, url = text, OPENAI
    if not model:
        raise InputError(
            f"got {text!r}", field="model", expected="MODEL@URL, such as qwen@http://localhost:8000"
        )
    return model, url


def has_answer(reply: Any) -> bool:
    """Whether the first choice of a reply holds text (the empty one is an answer too) or log-probs."""
    choices = reply.get("choices") if isinstance(reply, Mapping) else None
    choice = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(choice, Mapping) or choice.get("finish_reason") in BROKEN_OFF:
        return False
    message, logprobs = choice.get("message"), choice.get("logprobs")
    text = message.get("content") if isinstance(message, Mapping) else None
    tokens = logprobs.get("content") if isinstance(logprobs, Mapping) else None
    return isinstance(text, str) or (isinstance(tokens, list) and bool(tokens))


@dataclass(frozen=True)
class _Answer:
    """What came back: the whole body of a success, the beginning of any other's."""

    status: int
    headers: Headers
    text: str


class _Exchange:
    """One HTTP request and its answer, in a thread of its own that nobody need wait for.

    A socket's own timeout will not do as a deadline: it starts anew with every byte that a server drips, for
    every address of a name, and looking the name up has none. Redirects are not followed: the key would go
    with them to a host that it was not given for.
    """

    def __init__(self, call: urllib.request.Request, deadline: float):
        self._call, self._deadline = call, deadline
        self._sockets: list[socket.socket] = []
        self._over = False
        self._head: tuple[int, Headers] | None = None
        self._outcome: Future[_Answer] = Future()

    def answer(self) -> _Answer:
        """The answer, of any status.

        Raises:
            TimeoutError: it was not there in time. A refusal whose text is late is answered without it.
            OSError, HTTPException: the connection failed, or the answer was cut.
        """
        threading.Thread(target=self._work, daemon=True).start()
        try:
            return self._outcome.result(self._deadline)
        except TimeoutError:
            if self._head and not _is_success(self._head[0]):
                return _Answer(*self._head, "")
            raise
        finally:
            self._hang_up()

    def _work(self) -> None:
        try:
            self._outcome.set_result(self._exchange())
        except BaseException as error:  # whoever waits has to be told of any
            self._outcome.set_exception(error)

    def _exchange(self) -> _Answer:
        opener = urllib.request.OpenerDirector()  # without the parts that follow redirects
        for part in (urllib.request.ProxyHandler(), _Http(self._watched), _Https(self._watched)):
            opener.add_handler(part)
        with opener.open(self._call, timeout=self._deadline) as answer:
            self._head = (answer.status, answer.headers)
            if _is_success(answer.status):
                body = answer.read()  # complains of a body shorter than its length
            else:
                body = b""
                with suppress(OSError, http.client.HTTPException):  # the status says enough
                    body = answer.read(4096)
        return _Answer(*self._head, body.decode("utf-8", errors="replace"))

    def _watched(self, kind: type[http.client.HTTPConnection]) -> type[http.client.HTTPConnection]:
        """That kind of connection, whose socket can be hung up from here."""
        exchange = self

        class Watched(kind):
            def connect(self) -> None:
                super().connect()
                exchange._sockets.append(self.sock)
                if exchange._over:  # too late to ask, and to pay, for something
                    raise TimeoutError

        return Watched

    def _hang_up(self) -> None:
        """End the thread's waiting, and tell the server that nobody listens."""
        self._over = True  # first, so that a connection made meanwhile is seen on one side or the other
        for line in self._sockets:
            with suppress(OSError):  # closed already
                socket.socket.shutdown(line, socket.SHUT_RDWR)  # of TLS too, under whoever is reading it


class _Http(urllib.request.HTTPHandler):
    def __init__(self, watched: Callable[[type], type]):
        super().__init__()
        self._watched = watched

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._watched(http.client.HTTPConnection), req)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, watched: Callable[[type], type]):
        super().__init__()
        self._watched = watched

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._watched(http.client.HTTPSConnection), req)


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port  # an error if it is no number
    except ValueError:
        return False
    plain = url.isascii() and url.isprintable() and " " not in url
    return plain and parts.scheme in ("http", "https") and bool(parts.hostname) and port != 0


def _sendable(key: str, name: str) -> str:
    key = key.strip()
    if not (key.isascii() and key.isprintable()):  # the key itself is not to be shown
        raise InputError(
            "holds a line break or a character that no header can carry", field=name, expected="a key"
        )
    return key


def _is_success(status: int) -> bool:
    return 200 <= status < 300


def _refusal(answer: _Answer, url: str) -> EndpointError:
    """What an answer of that status means for this call, and for the others."""
    status = answer.status
    if status < 400:
        new = urljoin(url, answer.headers.get("Location") or "")
        return EndpointError(
            f"HTTP {status}: {url} redirects to {_short(new)}, which is not followed, as the key would go "
            f"there too; if that server is meant, name it: MODEL@{_short(new.removesuffix(PATH))}",
            fatal=True,
            retried=False,
        )
    fatal = status in FATAL or (status == 429 and SPENT in answer.text)
    retried = not fatal and (status in RETRIED or status >= 500)
    return EndpointError(
        f"HTTP {status}: {_short(answer.text)}",
        fatal=fatal,
        alone=not (fatal or retried),
        retried=retried,
        retry_after=_seconds(answer.headers.get("Retry-After")) if retried else None,
    )


def _seconds(value: str | None) -> float | None:
    """A Retry-After header, which is a number of seconds or a date."""
    if value is None:
        return None
    try:
        seconds = float(value)
        return max(0.0, seconds) if math.isfinite(seconds) else None
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return None


def _parsed(text: str) -> dict[str, Any]:
    try:
        reply = json.loads(text)
    except (ValueError, RecursionError):  # also for a number of thousands of digits
        raise EndpointError(f"the reply is not JSON: {_short(text)}") from None
    choices = reply.get("choices") if isinstance(reply, dict) else None
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise EndpointError(f"the reply holds no choices: {_short(text)}")
    if _nests_deeper(reply, DEEPEST):
        raise EndpointError(f"the reply nests more than {DEEPEST} levels deep: {_short(text)}")
    if not has_answer(reply):  # some content filters do so every time, which other requests need not suffer
        choice, reason = _short(json.dumps(choices[0])), choices[0].get("finish_reason")
        problem = f"the reply holds no answer, neither text nor log-probs: {choice}"
        raise EndpointError(problem, alone=True, retried=reason not in SETTLED)
    return reply


def _nests_deeper(value: Any, most: int) -> bool:
    level = [value]
    for _ in range(most):
        boxes = (one.values() if isinstance(one, dict) else one for one in level)
        level = [inner for box in boxes for inner in box if isinstance(inner, dict | list)]
        if not level:
            return False
    return True


def _short(text: str, most: int = 160) -> str:
    line = " ".join(text.split())
    return line[:most] + ("…" if len(line) > most else "") if line else "(empty)"
