"""Sampling from any OpenAI-compatible server (vLLM, llama.cpp, SGLang, a paid one)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from threading import Event, Lock
from typing import Any

from gammapo.endpoint import Endpoint, EndpointError, split_model_at_url
from gammapo.generation.seeds import engine_seed
from gammapo.generation.spec import OnResult, Progress, Prompt, RefusedError, Sampling
from gammapo.types import Generation


class ServerBackend:
    """Answers of a served model.

    The server applies its own chat template and stop tokens, so `token_ids` are left empty. Seeds are sent,
    one an answer; whether equal seeds give equal answers is up to the server.

    Args:
        model: "MODEL@URL".
        concurrency: calls in flight at once.
        deadline, attempts, backoff: see `Endpoint`.
        max_refused: prompts that may be refused one after another, without an answer between them, before
            the server is taken to refuse all.
    """

    def __init__(
        self,
        *,
        model: str,
        concurrency: int = 8,
        deadline: float = 600.0,
        attempts: int = 6,
        backoff: float = 1.0,
        max_refused: int = 10,
    ):
        self.model, url = split_model_at_url(model)
        self.name = self.model
        self.concurrency, self.max_refused = max(1, concurrency), max_refused
        self.endpoint = Endpoint(url=url, deadline=deadline, attempts=attempts, backoff=backoff)
        self.settings = {"backend": "server", "url": self.endpoint.url}

    def generate(
        self,
        prompts: Sequence[Prompt],
        sampling: Sampling,
        *,
        progress: Progress | None = None,
        on_result: OnResult | None = None,
    ) -> list[list[Generation]]:
        """See `Backend.generate`. A prompt that the server refuses keeps no other from its answer."""
        answers: list[list[Generation | None]] = [[None] * sampling.n for _ in prompts]
        done, total = 0, len(prompts) * sampling.n
        course = _Course(self.max_refused)
        endpoint = replace(self.endpoint, stopped=course.over)  # a call that waits is given up with the rest

        def one(index: int, number: int) -> Generation | None:
            if course.over.is_set() or index in course.refused:
                return None
            try:
                answer = self._one(endpoint, prompts[index], sampling, number)
            except EndpointError as error:
                course.failed(index, error)
                return None
            course.answered()
            return answer

        with ThreadPoolExecutor(self.concurrency) as pool:
            places = {
                pool.submit(one, index, number): (index, number)
                for index in range(len(prompts))
                for number in range(sampling.n)
            }
            try:
                for future in as_completed(places):
                    answer = future.result()
                    if answer is None:
                        continue
                    index, number = places[future]
                    answers[index][number] = answer
                    done += 1
                    whole = [answer for answer in answers[index] if answer is not None]
                    if on_result and len(whole) == sampling.n:
                        on_result(index, whole)
                    if progress:
                        progress(done, total)
            finally:
                course.over.set()  # also after an interrupt
        if course.failure:
            raise course.failure
        if course.refused:
            raise RefusedError(course.refused)
        return [[answer for answer in of_prompt if answer is not None] for of_prompt in answers]

    def _one(self, endpoint: Endpoint, prompt: Prompt, sampling: Sampling, number: int) -> Generation:
        messages = [message.as_dict() for message in prompt]
        request: dict[str, Any] = {
            "model": self.model,
            "messages": messages,
            "max_tokens": sampling.max_new_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "seed": engine_seed(sampling.seed, json.dumps(messages), number),
        }
        choice = endpoint.chat(request)["choices"][0]
        message = choice.get("message")
        text = message.get("content") if isinstance(message, dict) else None
        if not isinstance(text, str):
            problem = f"the reply of {self.model} holds no text: {str(choice)[:160]}"
            raise EndpointError(problem, alone=True)
        if choice.get("finish_reason") == "content_filter":  # what came before it is no whole answer
            problem = f"a content filter of {self.model} broke its answer off: {text[-80:]!r}"
            raise EndpointError(problem, alone=True)
        reason = "length" if choice.get("finish_reason") == "length" else "stop"
        return Generation(text=_whole_characters(text), token_ids=(), finish_reason=reason)


class _Course:
    """How a round of calls goes, as told by its threads: no further one is made once `over` is set.

    Cancelled futures would never be told of, and whoever waits for all of them would wait for ever.
    """

    def __init__(self, max_refused: int):
        self.over = Event()
        self.failure: EndpointError | None = None  # the one that ended it
        self.refused: dict[int, EndpointError] = {}  # by index of the prompt
        self._max_refused, self._since_answer, self._guard = max_refused, set[int](), Lock()

    def answered(self) -> None:
        with self._guard:
            self._since_answer.clear()

    def failed(self, index: int, error: EndpointError) -> None:
        with self._guard:
            if error.alone:
                self.refused.setdefault(index, error)
                self._since_answer.add(index)
                if len(self._since_answer) <= self._max_refused:
                    return
                error = EndpointError(
                    f"{len(self._since_answer)} prompts one after another failed, more than --max-refused "
                    f"allows: {error}"
                )
            self.failure = self.failure or error
            self.over.set()  # what is still coming in is kept


def _whole_characters(text: str) -> str:
    """The text with "�" for half characters (lone surrogates), which no file could hold."""
    return text.encode("utf-16", errors="surrogatepass").decode("utf-16", errors="replace")
