"""Calls to an OpenAI-compatible server: a deadline for each, retries with backoff, faults told apart.

Only whole, well-formed replies are returned; everything else is retried a bounded number of times or
raised. Nothing is kept here: whoever pays for a reply records it.
"""

from __future__ import annotations

import email.utils
import http.client
import json
import os
import random
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from gammapo.errors import InputError, RunError

OPENAI = "https://api.openai.com/v1"
RETRIED = {408, 409, 425, 429}  # and every 5xx


class EndpointError(RunError):
    """A call that stayed without a usable reply. `fatal` says that no other call can succeed either."""

    def __init__(self, problem: str, *, fatal: bool = False, retry_after: float | None = None):
        super().__init__(problem)
        self.fatal, self.retry_after = fatal, retry_after


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One server, as seen by its clients. May be used from several threads.

    Attributes:
        url: base, such as "http://localhost:8000/v1"; "/v1" is added where there is no path.
        deadline: seconds that one attempt may take, from connecting to the last byte.
        attempts: tries a call, the first included.
        backoff: seconds before the first retry, doubled for every further one, with jitter.
        longest_wait: seconds; a server that asks for a longer pause makes the call fail instead.
        on_fault: told of every attempt that failed, in words.
    """

    url: str = OPENAI
    deadline: float = 120.0
    attempts: int = 6
    backoff: float = 1.0
    longest_wait: float = 120.0
    on_fault: Callable[[str], None] | None = field(default=None, compare=False)

    def __post_init__(self):
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise InputError(
                f"got {self.url!r}", field="url", expected="an address such as http://localhost:8000/v1"
            )
        base = self.url.rstrip("/")
        object.__setattr__(self, "url", base if parts.path.strip("/") else base + "/v1")

    def chat(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The reply to one chat completion, with at least one choice in it.

        Raises:
            EndpointError: no usable reply after all attempts, or a refusal that retrying cannot mend.
        """
        for attempt in range(1, self.attempts + 1):
            try:
                return self._attempt(request)
            except EndpointError as error:
                if self.on_fault:
                    self.on_fault(str(error))
                wait = self._wait(attempt, error)
                if error.fatal or attempt == self.attempts or wait is None:
                    problem = f"{error} (after {attempt} attempt{'s' if attempt > 1 else ''})"
                    raise EndpointError(problem, fatal=error.fatal) from error
                time.sleep(wait)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _wait(self, attempt: int, error: EndpointError) -> float | None:
        """Seconds before the next attempt; None if the server asks for more patience than allowed."""
        if error.retry_after is not None:
            return error.retry_after if error.retry_after <= self.longest_wait else None
        return min(self.longest_wait, self.backoff * 2 ** (attempt - 1)) * random.uniform(0.5, 1.0)

    def _attempt(self, request: Mapping[str, Any]) -> dict[str, Any]:
        call = urllib.request.Request(
            f"{self.url}/chat/completions", json.dumps(request).encode(), self._headers(), method="POST"
        )
        late = f"no whole reply within {self.deadline:g} s"
        try:
            text = _body(call, self.deadline)
        except urllib.error.HTTPError as error:
            raise _refusal(error) from error
        except TimeoutError as error:
            raise EndpointError(late) from error
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            if isinstance(reason, TimeoutError):
                raise EndpointError(late) from error
            raise EndpointError(f"the connection to {self.url} failed: {reason!r}") from error
        return _parsed(text)

    def _headers(self) -> dict[str, str]:
        key = os.environ.get("GAMMAPO_API_KEY")
        if key is None and urlsplit(self.url).hostname == urlsplit(OPENAI).hostname:
            key = os.environ.get("OPENAI_API_KEY")  # sent to its own host only
        headers = {"Content-Type": "application/json", "User-Agent": "gammapo"}
        return {**headers, "Authorization": f"Bearer {key}"} if key else headers


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


def _body(call: urllib.request.Request, deadline: float) -> str:
    """The whole body of an answer, read within `deadline` seconds of now."""
    ends = time.monotonic() + deadline
    with urllib.request.urlopen(call, timeout=deadline) as answer:
        body = bytearray()
        while piece := answer.read1(1 << 16):  # returns what is there, so a dripping server cannot hold us
            body += piece
            if time.monotonic() > ends:
                raise TimeoutError
        due = answer.headers.get("Content-Length")
    if due is not None and int(due) != len(body):
        raise http.client.IncompleteRead(bytes(body), int(due) - len(body))
    return body.decode("utf-8", errors="replace")


def _refusal(error: urllib.error.HTTPError) -> EndpointError:
    retried = error.code in RETRIED or error.code >= 500
    try:
        text = error.read(4096).decode("utf-8", errors="replace")
    except (OSError, http.client.HTTPException):
        text = ""
    wait = _seconds(error.headers.get("Retry-After")) if retried else None
    return EndpointError(f"HTTP {error.code}: {_short(text)}", fatal=not retried, retry_after=wait)


def _seconds(value: str | None) -> float | None:
    """A Retry-After header, which is a number of seconds or a date."""
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError):
        return None


def _parsed(text: str) -> dict[str, Any]:
    try:
        reply = json.loads(text)
    except json.JSONDecodeError:
        raise EndpointError(f"the reply is not JSON: {_short(text)}") from None
    choices = reply.get("choices") if isinstance(reply, dict) else None
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise EndpointError(f"the reply holds no choices: {_short(text)}")
    return reply


def _short(text: str, most: int = 160) -> str:
    line = " ".join(text.split())
    return line[:most] + ("…" if len(line) > most else "") if line else "(empty)"
