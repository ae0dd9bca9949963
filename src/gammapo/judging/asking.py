"""Many calls, a few at a time; each reply is committed by its worker before that takes another call."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed, wait
from dataclasses import dataclass, field, replace
from typing import Any

from gammapo.endpoint import Endpoint, EndpointError
from gammapo.judging.record import Record, request_key, server_model
from gammapo.judging.spec import Progress

MAY_NOT = "See whether the key is right and may use this model"


@dataclass(kw_only=True)
class Asking:
    """One round of calls, and what came of it.

    No further call starts once one failed in a way that all others would, once more than `max_failures`
    have failed, once the server answered as another model than `model`, or once a reply could not be kept.
    Attempts in flight are always let finish, and recorded; calls that wait for their next attempt are given
    up.

    A call that is denied (403) is refused alone if the server answers others. Where it has answered none yet,
    the `probe` is asked, a harmless question: if that fails too, so would all.
    """

    endpoint: Endpoint
    record: Record
    model: str  # the server's own name for its model
    max_failures: int
    probe: dict[str, Any]
    heard: bool  # the server has answered in this run
    failures: list[EndpointError] = field(default_factory=list)
    alone: dict[str, EndpointError] = field(default_factory=dict)  # those of one request only, by its key
    strangers: set[str] = field(default_factory=set)  # other models that answered
    replies: int = 0

    def __post_init__(self):
        self._stop, self._guard, self._weighing = threading.Event(), threading.Lock(), threading.Lock()
        self._denied: EndpointError | None = None  # to all
        self.endpoint = replace(self.endpoint, stopped=self._stop)

    def ask_all(
        self, requests: Sequence[dict[str, Any]], *, concurrency: int, progress: Progress | None = None
    ) -> None:
        pool = ThreadPoolExecutor(concurrency)
        futures = [pool.submit(self._ask, request) for request in requests]
        try:
            for future in as_completed(futures):
                future.result()
                if progress:
                    progress(self.replies, len(requests))
        finally:
            self._stop.set()  # also after an interrupt
            # what is on its way is paid for, and the record is still open. Not by joining the threads: of one
            # whose join was interrupted, Python 3.11 says that it has ended
            try:
                wait(futures)
            except KeyboardInterrupt:  # a second one
                wait(futures)
                raise
            finally:
                pool.shutdown(wait=False)

    def _ask(self, request: dict[str, Any]) -> None:
        if self._stop.is_set():
            return
        try:
            reply = self.endpoint.chat(request)
        except EndpointError as error:
            self._fail(request, self._weighed(error) if error.denied else error)
            return
        self._keep(request, reply)
        with self._guard:
            self.replies += 1

    def _fail(self, request: dict[str, Any], error: EndpointError) -> None:
        with self._guard:
            self.failures.append(error)
            if error.alone:
                self.alone[request_key(request)] = error
            if error.fatal or len(self.failures) > self.max_failures:
                self._stop.set()

    def _keep(self, request: dict[str, Any], reply: dict[str, Any]) -> None:
        try:
            self.record.commit(request, reply, replace=True)  # what is there, if anything, holds no answer
        except BaseException:
            self._stop.set()  # at once: further replies would be paid for and lost
            raise
        answered = server_model(reply, request)
        with self._guard:
            self.heard = True
            if answered != self.model:
                self.strangers.add(answered)
                self._stop.set()

    def _weighed(self, error: EndpointError) -> EndpointError:
        """The denial itself if it is of its request alone, otherwise one of all."""
        with self._weighing:
            if not self.heard and self._denied is None:
                try:
                    self._keep(self.probe, self.endpoint.chat(self.probe))
                except EndpointError as again:
                    problem = f"{error}, and a harmless question fared no better: {again}"
                    self._denied = EndpointError(f"{problem}. {MAY_NOT}", fatal=True)
            return self._denied or error
