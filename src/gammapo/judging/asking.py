"""Many calls, a few at a time; each reply is committed by its worker before that takes another call."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from typing import Any

from gammapo.endpoint import Endpoint, EndpointError
from gammapo.judging.record import Record, request_key, server_model
from gammapo.judging.spec import Progress


@dataclass(kw_only=True)
class Asking:
    """One round of calls, and what came of it.

    No further call starts once one failed in a way that all others would, once more than `max_failures`
    have failed, or once the server answered as another model than `model`. Attempts in flight are always let
    finish, and recorded; calls that wait for their next attempt are given up.
    """

    endpoint: Endpoint
    record: Record
    model: str  # the server's own name for its model
    max_failures: int
    failures: list[EndpointError] = field(default_factory=list)
    alone: dict[str, EndpointError] = field(default_factory=dict)  # those of one request only, by its key
    strangers: set[str] = field(default_factory=set)  # other models that answered
    replies: int = 0

    def __post_init__(self):
        self._stop, self._guard = threading.Event(), threading.Lock()
        self.endpoint = replace(self.endpoint, stopped=self._stop)

    def ask_all(
        self, requests: Sequence[dict[str, Any]], *, concurrency: int, progress: Progress | None = None
    ) -> None:
        with ThreadPoolExecutor(concurrency) as pool:
            futures = [pool.submit(self._ask, request) for request in requests]
            try:
                for future in as_completed(futures):
                    future.result()
                    if progress:
                        progress(self.replies, len(requests))
            finally:
                self._stop.set()  # also after an interrupt

    def _ask(self, request: dict[str, Any]) -> None:
        if self._stop.is_set():
            return
        try:
            reply = self.endpoint.chat(request)
        except EndpointError as error:
            with self._guard:
                self.failures.append(error)
                if error.alone:
                    self.alone[request_key(request)] = error
                if error.fatal or len(self.failures) > self.max_failures:
                    self._stop.set()
            return
        self.record.commit(request, reply, replace=True)  # what is there, if anything, holds no answer
        answered = server_model(reply, request)
        with self._guard:
            self.replies += 1
            if answered != self.model:
                self.strangers.add(answered)
                self._stop.set()
