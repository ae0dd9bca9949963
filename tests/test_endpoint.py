"""The small parts of the client; its behaviour against servers is tested with the judge and the backend."""

import email.utils
import time

import pytest

from gammapo.endpoint import OPENAI, Endpoint, EndpointError, _parsed, _seconds, split_model_at_url
from gammapo.errors import InputError


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


@pytest.mark.parametrize("bad", ["localhost:8000", "ftp://x", "http://", "nonsense"])
def test_bad_addresses(bad):
    with pytest.raises(InputError, match="url: got"):
        Endpoint(url=bad)


def test_model_at_url():
    assert split_model_at_url("a/b@http://h:1/v1") == ("a/b", "http://h:1/v1")
    assert split_model_at_url("gpt-x") == ("gpt-x", OPENAI)
    with pytest.raises(InputError, match="MODEL@URL"):
        split_model_at_url("@http://h")


def test_retry_after():
    assert _seconds("1.5") == 1.5
    assert _seconds("-3") == 0.0
    assert _seconds("soon") is None
    assert _seconds(None) is None
    date = email.utils.format_datetime(email.utils.localtime().fromtimestamp(time.time() + 30).astimezone())
    assert 25 < _seconds(date) <= 30


@pytest.mark.parametrize("text", ["", "<html>", "[]", "null", '{"choices": []}', '{"choices": [1]}', '{"a'])
def test_bodies_without_a_reply(text):
    with pytest.raises(EndpointError):
        _parsed(text)


def test_backoff_doubles_and_a_pause_asked_for_is_kept_up_to_a_limit():
    endpoint = Endpoint(backoff=1.0, longest_wait=10.0)
    plain = EndpointError("x")
    for attempt, most in ((1, 1), (2, 2), (3, 4), (9, 10)):
        waits = [endpoint._wait(attempt, plain) for _ in range(50)]
        assert most / 2 <= min(waits) <= max(waits) <= most
    assert endpoint._wait(1, EndpointError("x", retry_after=7.0)) == 7.0
    assert endpoint._wait(1, EndpointError("x", retry_after=11.0)) is None
