"""One HTTP request and its answer within a deadline that holds whatever the server does."""

from __future__ import annotations

import http.client
import socket
import threading
import urllib.request
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from email.message import Message as Headers


@dataclass(frozen=True)
class Answer:
    """What came back: the whole body of a success, the beginning of any other's."""

    status: int
    headers: Headers
    text: str


class Exchange:
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
        self._outcome: Future[Answer] = Future()

    def answer(self) -> Answer:
        """The answer, of any status.

        Raises:
            TimeoutError: it was not there in time. A refusal whose text is late is answered without it.
            OSError, HTTPException: the connection failed, or the answer was cut.
        """
        threading.Thread(target=self._work, daemon=True).start()
        try:
            return self._outcome.result(self._deadline)
        except TimeoutError:
            if self._head and not is_success(self._head[0]):
                return Answer(*self._head, "")
            raise
        finally:
            self._hang_up()

    def _work(self) -> None:
        try:
            self._outcome.set_result(self._exchange())
        except BaseException as error:  # whoever waits has to be told of any
            self._outcome.set_exception(error)

    def _exchange(self) -> Answer:
        opener = urllib.request.OpenerDirector()  # without the parts that follow redirects
        for part in (urllib.request.ProxyHandler(), _Http(self._watched), _Https(self._watched)):
            opener.add_handler(part)
        with opener.open(self._call, timeout=self._deadline) as answer:
            self._head = (answer.status, answer.headers)
            if is_success(answer.status):
                body = answer.read()  # complains of a body shorter than its length
            else:
                body = b""
                with suppress(OSError, http.client.HTTPException):  # the status says enough
                    body = answer.read(4096)
        return Answer(*self._head, body.decode("utf-8", errors="replace"))

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


def is_success(status: int) -> bool:
    return 200 <= status < 300
