"""Sampling from any OpenAI-compatible server (vLLM, llama.cpp, SGLang, a paid one)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from threading import Event
from typing import Any

from gammapo.endpoint import Endpoint, EndpointError, split_model_at_url
from gammapo.generation.seeds import engine_seed
from gammapo.generation.spec import OnResult, Progress, Prompt, Sampling
from gammapo.types import Generation


class ServerBackend:
    """Answers of a served model.

    The server applies its own chat template and stop tokens, so `token_ids` are left empty. Seeds are sent,
    one an answer; whether equal seeds give equal answers is up to the server.

    Args:
        model: "MODEL@URL".
        concurrency: calls in flight at once.
        deadline, attempts, backoff: see `Endpoint`.
    """

    def __init__(
        self,
        *,
        model: str,
        concurrency: int = 8,
        deadline: float = 600.0,
        attempts: int = 6,
        backoff: float = 1.0,
    ):
        self.model, url = split_model_at_url(model)
        self.name = self.model
        self.concurrency = max(1, concurrency)
        self.endpoint = Endpoint(url=url, deadline=deadline, attempts=attempts, backoff=backoff)

    def generate(
        self,
        prompts: Sequence[Prompt],
        sampling: Sampling,
        *,
        progress: Progress | None = None,
        on_result: OnResult | None = None,
    ) -> list[list[Generation]]:
        """See `Backend.generate`."""
        answers: list[list[Generation | None]] = [[None] * sampling.n for _ in prompts]
        done, total = 0, len(prompts) * sampling.n
        failure: EndpointError | None = None
        stop = Event()  # cancelled futures would never be told of, and the loop below never end

        def one(prompt: Prompt, number: int) -> Generation | None:
            if stop.is_set():
                return None
            try:
                return self._one(prompt, sampling, number)
            except EndpointError:  # start no more calls, but keep what is still coming in
                stop.set()
                raise

        with ThreadPoolExecutor(self.concurrency) as pool:
            places = {
                pool.submit(one, prompt, number): (index, number)
                for index, prompt in enumerate(prompts)
                for number in range(sampling.n)
            }
            try:
                for future in as_completed(places):
                    try:
                        answer = future.result()
                    except EndpointError as error:
                        failure = failure or error
                        continue
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
                stop.set()  # also after an interrupt
        if failure:
            raise failure
        return [[answer for answer in of_prompt if answer is not None] for of_prompt in answers]

    def _one(self, prompt: Prompt, sampling: Sampling, number: int) -> Generation:
        messages = [message.as_dict() for message in prompt]
        request: dict[str, Any] = {
            "model": self.model,
            "messages": messages,
            "max_tokens": sampling.max_new_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "seed": engine_seed(sampling.seed, json.dumps(messages), number),
        }
        choice = self.endpoint.chat(request)["choices"][0]
        message = choice.get("message")
        text = message.get("content") if isinstance(message, dict) else None
        if not isinstance(text, str):
            raise EndpointError(f"the reply of {self.model} holds no text: {str(choice)[:160]}")
        reason = "length" if choice.get("finish_reason") == "length" else "stop"
        return Generation(text=text, token_ids=(), finish_reason=reason)
