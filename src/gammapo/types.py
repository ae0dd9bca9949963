"""The frozen dataclasses that all rooms share. Nothing else in gammapo is imported here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Message:
    """One turn of a conversation. `role` is "system", "user" or "assistant"."""

    role: str
    content: str

    def as_dict(self) -> dict[str, str]:
        return {"role": self.role, "content": self.content}


@dataclass(frozen=True, kw_only=True)
class PreferencePair:
    """One prompt with two answers, of which `chosen` is labelled better.

    `id` names the pair whichever answer is labelled better, so it survives a flip and follows the pair
    into the noise manifest, the ledger and the audit. Scores are an annotator's or reward model's, in
    that source's own unit; they belong to the answer, and so move with it when a label is flipped.
    """

    id: str
    prompt: tuple[Message, ...]
    chosen: str
    rejected: str
    chosen_score: float | None = None
    rejected_score: float | None = None
    origin: str = field(default="", compare=False)  # "file:line", for error messages

    def flipped(self) -> PreferencePair:
        """The pair with the other label; each score stays with its answer."""
        return replace(
            self,
            chosen=self.rejected,
            rejected=self.chosen,
            chosen_score=self.rejected_score,
            rejected_score=self.chosen_score,
        )


@dataclass(frozen=True, kw_only=True)
class TokenizedPair:
    """A pair as token ids: the prompt once, then each answer's completion tokens.

    The model scores `prompt + chosen` and `prompt + rejected`; loss falls on the completions only.
    `reference_chosen` and `reference_rejected` are summed log-probs under the frozen reference, where known.
    """

    id: str
    prompt: tuple[int, ...]
    chosen: tuple[int, ...]
    rejected: tuple[int, ...]
    chosen_score: float | None = None
    rejected_score: float | None = None
    reference_chosen: float | None = None
    reference_rejected: float | None = None

    @property
    def tokens(self) -> int:
        """Tokens the model must read when the prompt is read once."""
        return len(self.prompt) + len(self.chosen) + len(self.rejected)


@dataclass(frozen=True, kw_only=True)
class PairLogps:
    """What a loss sees of B pairs. Every tensor is (B,), floating point, on one device.

    `chosen` and `rejected` are log-probs summed over the completion's tokens (nats); the lengths are
    token counts. Per-token values are `chosen / chosen_length`. Reference log-probs are summed too.
    """

    chosen: Tensor
    rejected: Tensor
    chosen_length: Tensor
    rejected_length: Tensor
    reference_chosen: Tensor | None = None
    reference_rejected: Tensor | None = None
    chosen_score: Tensor | None = None
    rejected_score: Tensor | None = None


@dataclass(frozen=True, kw_only=True)
class LossOutput:
    """What a loss says of B pairs.

    `loss` () is what to minimise; `per_pair` (B,) its share per pair (where a loss couples pairs, the
    per-pair value before coupling). Rewards and `target_margins` are (B,), in the loss's reward unit,
    so that `reward_gaps = chosen_rewards - rejected_rewards` is compared with `target_margins`.
    `clarity` (B,) is the believed probability that the label is right; `weights` (B,) is how strongly a
    pair pulls, relative to a pair at full strength. Both are None where a loss has no such notion.
    `state` is the loss's state after this batch, None for a stateless loss.
    Everything but `loss` and `per_pair` is detached.
    """

    loss: Tensor
    per_pair: Tensor
    chosen_rewards: Tensor
    rejected_rewards: Tensor
    target_margins: Tensor
    clarity: Tensor | None = None
    weights: Tensor | None = None
    state: Mapping[str, Tensor] | None = None

    @property
    def reward_gaps(self) -> Tensor:
        return self.chosen_rewards - self.rejected_rewards


@dataclass(frozen=True, kw_only=True)
class Generation:
    """One sampled answer. `finish_reason` is "stop" (end-of-turn token) or "length" (cut by the limit)."""

    text: str
    token_ids: tuple[int, ...]
    finish_reason: str


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """One comparison in AlpacaEval's terms: output_1 is the reference's, output_2 the model's.

    `preference` lies in [1, 2]: 2 means output_2 is better, 1.5 a draw, None not judged.
    """

    instruction: str
    output_1: str
    output_2: str
    generator_1: str
    generator_2: str
    preference: float | None
    annotator: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)
