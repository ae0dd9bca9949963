"""Sampling with a transformers model: batched, sorted by length, finished answers leave the batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from gammapo.errors import InputError
from gammapo.generation.sample import draw, uniforms
from gammapo.generation.spec import OnResult, Progress, Prompt, Sampling
from gammapo.generation.stops import stop_ids
from gammapo.types import Generation

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True)
class Row:
    """One answer to be sampled: its prompt, and its number among that prompt's answers."""

    index: int
    number: int
    prompt: list[int] = field(repr=False)


class TransformersBackend:
    """Answers of a causal language model.

    Args:
        model: a loaded model, or a folder, a hub id or "smollm2".
        tokenizer: a loaded tokenizer; None loads the one saved with the model.
        batch_size: answers sampled at once.
        dtype, device: for a model that is loaded here; None takes CUDA where there is one.
    """

    def __init__(
        self,
        *,
        model: PreTrainedModel | str | Path,
        tokenizer: PreTrainedTokenizerBase | None = None,
        batch_size: int = 32,
        dtype: str = "float32",
        device: str | None = None,
    ):
        from gammapo import models

        if batch_size < 1:
            raise InputError(f"got {batch_size}", field="batch_size", expected="at least 1")
        self.name = str(model) if isinstance(model, str | Path) else model.config.name_or_path or "model"
        if isinstance(model, str | Path):
            tokenizer = tokenizer or models.load_tokenizer(model)
            device = device or ("cuda" if torch.cuda.is_available() else None)
            model = models.load_model(model, dtype=dtype, device=device)
        if tokenizer is None:
            raise InputError(
                "a loaded model comes without its tokenizer",
                field="tokenizer",
                fix="pass tokenizer= beside model=, or the folder of both as model=",
            )
        self.model, self.tokenizer, self.batch_size = model, tokenizer, batch_size
        self.settings = {"backend": "transformers", "dtype": str(model.dtype).removeprefix("torch.")}
        self.stops = stop_ids(tokenizer, model)

    def generate(
        self,
        prompts: Sequence[Prompt],
        sampling: Sampling,
        *,
        progress: Progress | None = None,
        on_result: OnResult | None = None,
    ) -> list[list[Generation]]:
        """See `Backend.generate`. Each prompt is read once, however many answers are drawn from it."""
        from gammapo.data import encode_prompt

        encoded = [encode_prompt(self.tokenizer, prompt) for prompt in prompts]
        return self.continue_ids(encoded, sampling, progress=progress, on_result=on_result)

    def continue_ids(
        self,
        prompts: Sequence[Sequence[int]],
        sampling: Sampling,
        *,
        progress: Progress | None = None,
        on_result: OnResult | None = None,
    ) -> list[list[Generation]]:
        """`generate` for prompts given as token ids."""
        rows = [
            Row(index, number, list(ids)) for index, ids in enumerate(prompts) for number in range(sampling.n)
        ]
        self._check_room(rows)
        # longest first: what does not fit into memory fails at once, and batches hold like lengths
        rows.sort(key=lambda row: (-len(row.prompt), row.index, row.number))
        answers: list[list[Generation | None]] = [[None] * sampling.n for _ in prompts]
        training = self.model.training
        self.model.eval()
        try:
            for start in range(0, len(rows), self.batch_size):
                batch = rows[start : start + self.batch_size]
                for row, tokens in zip(batch, self._sample(batch, sampling), strict=True):
                    answers[row.index][row.number] = self._finish(tokens)
                    whole = [answer for answer in answers[row.index] if answer is not None]
                    if on_result and len(whole) == sampling.n:
                        on_result(row.index, whole)
                if progress:
                    progress(start + len(batch), len(rows))
        finally:
            self.model.train(training)
        return [[answer for answer in of_prompt if answer is not None] for of_prompt in answers]

    @torch.no_grad()  # inference mode would leave tensors behind that a model in training cannot use
    def _sample(self, rows: Sequence[Row], sampling: Sampling) -> list[list[int]]:
        """Token ids of every row's answer, ended by a stop token or cut at the limit."""
        device = self.model.device
        limits = [min(sampling.max_new_tokens, self._room(len(row.prompt))) for row in rows]
        steps, limit = max(limits), torch.tensor(limits, device=device)
        noise = [uniforms(sampling.seed, row.prompt, row.number, sampling.max_new_tokens) for row in rows]
        uniform = torch.stack(noise).to(device)
        logits, mask, cache = self._prefill(rows)
        stops = torch.tensor(sorted(self.stops), device=device)
        alive = torch.arange(len(rows), device=device)
        drawn = torch.full((len(rows), steps), -1, dtype=torch.long, device=device)
        for step in range(steps):
            token = draw(logits, uniform[alive, step], temperature=sampling.temperature, top_p=sampling.top_p)
            drawn[alive, step] = token
            going = ~torch.isin(token, stops) & (step + 1 < limit[alive])
            if not going.any():
                break
            if not going.all():
                keep = going.nonzero().squeeze(-1)
                cache.batch_select_indices(keep)
                alive, token, mask = alive[keep], token[keep], mask[keep]
            mask = torch.nn.functional.pad(mask, (0, 1), value=1)
            logits = self._forward(token[:, None], mask, cache)
        return [[token for token in row if token >= 0] for row in drawn.tolist()]

    def _prefill(self, rows: Sequence[Row]) -> tuple[Tensor, Tensor, Any]:
        """Read each distinct prompt once, then copy its state to every answer drawn from it."""
        from transformers import DynamicCache

        device = self.model.device
        distinct = {row.index: row.prompt for row in rows}
        longest = max(map(len, distinct.values()))
        pad = self.tokenizer.pad_token_id or 0  # masked, so any id would do
        ids = [[pad] * (longest - len(prompt)) + prompt for prompt in distinct.values()]
        seen = [[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in distinct.values()]
        mask = torch.tensor(seen, device=device)
        cache = DynamicCache(config=self.model.config)
        logits = self._forward(torch.tensor(ids, device=device), mask, cache)
        place = {index: number for number, index in enumerate(distinct)}
        origin = torch.tensor([place[row.index] for row in rows], device=device)
        if len(distinct) < len(rows):
            cache.batch_select_indices(origin)
        return logits[origin], mask[origin], cache

    def _forward(self, ids: Tensor, mask: Tensor, cache: Any) -> Tensor:
        """Logits (B, V) after the last of the new tokens; `mask` covers the cached and the new ones."""
        positions = (mask.cumsum(dim=-1) - 1).clamp(min=0)[:, -ids.shape[1] :]
        out = self.model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return out.logits[:, -1]

    def _finish(self, tokens: list[int]) -> Generation:
        stopped = bool(tokens) and tokens[-1] in self.stops
        text = self.tokenizer.decode(tokens[:-1] if stopped else tokens, skip_special_tokens=True)
        return Generation(
            text=str(text), token_ids=tuple(tokens), finish_reason="stop" if stopped else "length"
        )

    def _room(self, prompt_length: int) -> int:
        limit = getattr(self.model.config, "max_position_embeddings", None)
        return limit - prompt_length if limit else 1 << 30

    def _check_room(self, rows: Sequence[Row]) -> None:
        for row in rows:
            if self._room(len(row.prompt)) < 1:
                raise InputError(
                    f"prompt {row.index + 1} has {len(row.prompt)} tokens",
                    expected=f"fewer than the model's {self.model.config.max_position_embeddings} positions",
                    fix="shorten or drop the prompt",
                )
