"""Calls to an OpenAI-compatible server: a deadline for each, retries with backoff, faults told apart.

Only whole, well-formed replies are returned; everything else is retried a bounded number of times or
raised. Nothing is kept here: whoever pays for a reply records it.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import threading
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from gammapo.endpoint.exchange import Exchange
from gammapo.endpoint.meaning import PATH, EndpointError, read
from gammapo.errors import InputError

OPENAI = "https://api.openai.com/v1"


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
                    raise EndpointError(
                        problem, fatal=error.fatal, alone=error.alone, denied=error.denied
                    ) from error
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
            answer = Exchange(call, self.deadline).answer()
        except TimeoutError as error:
            raise EndpointError(late) from error
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            if isinstance(reason, TimeoutError):
                raise EndpointError(late) from error
            raise EndpointError(f"the connection to {self.url} failed: {reason!r}") from error
        return read(answer, call.full_url)

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
