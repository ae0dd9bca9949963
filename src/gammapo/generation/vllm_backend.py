"""Sampling with vLLM's offline engine, on a GPU."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gammapo.errors import InputError, MissingExtraError
from gammapo.generation.seeds import engine_seed
from gammapo.generation.spec import OnResult, Progress, Prompt, Sampling
from gammapo.generation.stops import stop_ids
from gammapo.types import Generation


class VllmBackend:
    """Answers of a model that vLLM loads into this process.

    Prompts are turned into token ids here, as for every other backend, so that the chat template is
    applied once and there is exactly one BOS.

    Args:
        model: folder or hub id.
        chunk: prompts handed to the engine at once; results and progress come after each.
        tensor_parallel_size, gpu_memory_utilization, dtype, max_model_len: vLLM's own.
    """

    def __init__(
        self,
        *,
        model: str | Path,
        chunk: int = 1024,
        tensor_parallel_size: int = 1,
        gpu_memory_utilization: float = 0.9,
        dtype: str = "auto",
        max_model_len: int | None = None,
    ):
        try:
            import vllm
        except ImportError as error:
            raise MissingExtraError("vllm", "vllm", "the backend vllm") from error
        from gammapo import models

        self.name = str(model)
        self.settings = {"backend": "vllm", "dtype": dtype}
        self.chunk = max(1, chunk)
        path = models.resolve(model)
        if (Path(path) / "adapter_config.json").is_file():
            raise InputError(
                "holds an adapter alone",
                file=path,
                expected="a whole model",
                fix="make one of it with `gammapo export RUN_FOLDER -o FOLDER --merge`",
            )
        self.tokenizer = models.load_tokenizer(path)
        self._sampling_params = vllm.SamplingParams
        self.engine = vllm.LLM(
            model=path,
            tensor_parallel_size=tensor_parallel_size,
            gpu_memory_utilization=gpu_memory_utilization,
            dtype=dtype,  # pyright: ignore[reportArgumentType]
            max_model_len=max_model_len,
        )

    def generate(
        self,
        prompts: Sequence[Prompt],
        sampling: Sampling,
        *,
        progress: Progress | None = None,
        on_result: OnResult | None = None,
    ) -> list[list[Generation]]:
        """See `Backend.generate`."""
        from gammapo.data import encode_prompt

        several = sampling.n if sampling.temperature else 1  # the engine refuses several greedy answers
        options = {
            "n": several,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": sampling.max_new_tokens,
            "stop_token_ids": sorted(stop_ids(self.tokenizer)),
        }
        encoded = [encode_prompt(self.tokenizer, prompt) for prompt in prompts]
        self._check_room(encoded)
        answers: list[list[Generation]] = []
        for start in range(0, len(prompts), self.chunk):
            ids = [{"prompt_token_ids": one} for one in encoded[start : start + self.chunk]]
            params = [
                self._sampling_params(
                    **options, seed=engine_seed(sampling.seed, str(one["prompt_token_ids"]))
                )
                for one in ids
            ]
            for offset, result in enumerate(self.engine.generate(ids, params, use_tqdm=False)):
                answers.append([_generation(output) for output in result.outputs] * (sampling.n // several))
                if on_result:
                    on_result(start + offset, answers[-1])
            if progress:
                progress(len(answers) * sampling.n, len(prompts) * sampling.n)
        return answers

    def _check_room(self, prompts: Sequence[Sequence[int]]) -> None:
        """Say which prompt is too long; the engine would say its length alone, once others are answered."""
        limit = getattr(getattr(self.engine, "model_config", None), "max_model_len", None)
        for number, ids in enumerate(prompts, 1):
            if limit and len(ids) >= limit:
                raise InputError(
                    f"prompt {number} has {len(ids)} tokens",
                    expected=f"fewer than the engine's {limit} positions",
                    fix="shorten or drop the prompt",
                )


def _generation(output) -> Generation:
    return Generation(
        text=output.text,
        token_ids=tuple(output.token_ids),
        finish_reason="length" if output.finish_reason == "length" else "stop",
    )
