"""What an answer of a server means: a reply to hand on, or a fault, and whom else it concerns."""

from __future__ import annotations

import email.utils
import json
import math
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urljoin

from gammapo.endpoint.exchange import Answer, is_success
from gammapo.errors import RunError

PATH = "/chat/completions"
RETRIED = {408, 409, 425, 429}  # and every 5xx
FATAL = {401, 402, 404, 405, 407, 410}  # key, account, address or model, the same in every call
DENIED = 403  # to the key, the same in every call; or, of some servers, to one prompt that was moderated
SPENT = "insufficient_quota"  # OpenAI's word, under 429 (others': 403), for an account without money
# letters in the code or type of an error under 200 → the status that others give it, the most telling first
MEANINGS = {
    429: ("ratelimit", "toomanyrequests", "throttl", "resourceexhausted"),
    402: ("quota", "billing", "payment", "insufficientbalance", "credits", "arrear"),
    401: ("apikey", "authentication", "unauthenticated", "unauthorized"),
    404: ("notfound",),
    403: ("permission", "forbidden", "accessdenied"),
    503: ("servererror", "internal", "overload", "unavailable", "timeout"),
    400: ("invalid", "badrequest", "unprocessable", "toolong", "context", "content", "moderat", "inspect"),
}
BROKEN_OFF = ("error", "abort", "insufficient_system_resource")  # finish reasons of a server in trouble
SETTLED = ("content_filter", "length")  # those that another attempt would end with too
DEEPEST = 64  # levels of a reply; real ones have about 8, and thousands would break whoever reads them again


class EndpointError(RunError):
    """A call that stayed without a usable reply.

    Attributes:
        fatal: no other call can succeed either: the key, the address or the model is wrong.
        alone: the fault lies with this request (too long, say), and others may succeed.
        denied: `alone` as far as one call can tell: it may be the key that is denied everything.
        retried: another attempt may succeed.
        retry_after: seconds that the server asks to wait before it.
    """

    def __init__(
        self,
        problem: str,
        *,
        fatal: bool = False,
        alone: bool = False,
        denied: bool = False,
        retried: bool = True,
        retry_after: float | None = None,
    ):
        super().__init__(problem)
        self.fatal, self.alone, self.denied = fatal, alone, denied
        self.retried, self.retry_after = retried, retry_after


def read(answer: Answer, url: str) -> dict[str, Any]:
    """The reply that an answer of `url` holds.

    Raises:
        EndpointError: it holds none.
    """
    if not is_success(answer.status):
        raise _refusal(answer, url)
    length = answer.headers.get("Content-Length")
    if length is not None and not length.strip().isdecimal():  # then nothing says that it is whole
        raise EndpointError(f"the reply's Content-Length is no number: {short(length)}")
    return parsed(answer.text, seconds(answer.headers.get("Retry-After")))


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


def parsed(text: str, pause: float | None = None) -> dict[str, Any]:
    try:
        reply = json.loads(text)
    except (ValueError, RecursionError):  # also for a number of thousands of digits
        raise EndpointError(f"the reply is not JSON: {short(text)}") from None
    if isinstance(reply, dict) and not has_answer(reply) and (error := _error_in(reply)):
        raise _told(error, text, pause)
    choices = reply.get("choices") if isinstance(reply, dict) else None
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise EndpointError(f"the reply holds no choices: {short(text)}")
    if _nests_deeper(reply, DEEPEST):
        raise EndpointError(f"the reply nests more than {DEEPEST} levels deep: {short(text)}")
    if not has_answer(reply):  # some content filters do so every time, which other requests need not suffer
        choice, reason = short(json.dumps(choices[0])), choices[0].get("finish_reason")
        problem = f"the reply holds no answer, neither text nor log-probs: {choice}"
        raise EndpointError(problem, alone=True, retried=reason not in SETTLED)
    return reply


def _refusal(answer: Answer, url: str) -> EndpointError:
    """What an answer of that status means for this call, and for the others."""
    status = answer.status
    if status < 400:
        new = urljoin(url, answer.headers.get("Location") or "")
        return EndpointError(
            f"HTTP {status}: {url} redirects to {short(new)}, which is not followed, as the key would go "
            f"there too; if that server is meant, name it: MODEL@{short(new.removesuffix(PATH))}",
            fatal=True,
            retried=False,
        )
    pause = seconds(answer.headers.get("Retry-After"))
    return _of_status(status, f"HTTP {status}: {short(answer.text)}", answer.text, pause)


def _of_status(status: int, problem: str, text: str, pause: float | None) -> EndpointError:
    spent = status in (403, 429) and SPENT in text
    fatal, denied = status in FATAL or spent, status == DENIED and not spent
    retried = not (fatal or denied) and (status in RETRIED or status >= 500)
    return EndpointError(
        problem,
        fatal=fatal,
        alone=not (fatal or retried),
        denied=denied,
        retried=retried,
        retry_after=pause if retried else None,
    )


def _error_in(reply: dict[str, Any]) -> Any:
    """The error that a reply tells of in place of an answer, if any: an object, or only words."""
    choices = reply.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    of_choice = choice.get("error") if isinstance(choice, dict) else None
    whole = reply if reply.get("object") == "error" else None  # as vLLM has it
    return reply.get("error") or of_choice or whole


def _told(error: Any, text: str, pause: float | None) -> EndpointError:
    """What an error means that came with the status of a success: the same as with its own."""
    status = _status_of(error)
    if status is None:  # another attempt may do; if none does, other requests need not suffer
        return EndpointError(f"the reply holds an error of no known kind: {short(text)}", alone=True)
    return _of_status(status, f"the reply holds an error, as HTTP {status}: {short(text)}", text, pause)


def _status_of(error: Any) -> int | None:
    told = [str(error.get(key)) for key in ("code", "status", "type")] if isinstance(error, Mapping) else []
    for word in told:
        if len(word) == 3 and word.isdecimal() and 400 <= int(word) < 600:
            return int(word)
    for word in told:
        letters = "".join(filter(str.isalpha, word.lower()))
        for status, parts in MEANINGS.items():
            if any(part in letters for part in parts):
                return status
    return None


def seconds(value: str | None) -> float | None:
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


def _nests_deeper(value: Any, most: int) -> bool:
    level = [value]
    for _ in range(most):
        boxes = (one.values() if isinstance(one, dict) else one for one in level)
        level = [inner for box in boxes for inner in box if isinstance(inner, dict | list)]
        if not level:
            return False
    return True


def short(text: str, most: int = 160) -> str:
    line = " ".join(text.split())
    return line[:most] + ("…" if len(line) > most else "") if line else "(empty)"
