"""Memory of one GPU during a training step, part by part. An estimate: every assumption is a named number.

Mixed precision as the trainer runs it: float32 masters and AdamW, bfloat16 arithmetic; or, with adapters,
frozen bfloat16 weights. Sharded (ZeRO-3, FSDP2) parts are divided by the number of GPUs; DDP repeats them.
"""

from __future__ import annotations

from dataclasses import dataclass

from gammapo.logps.head import KEEP_BYTES, TILE_BYTES
from gammapo.planning.shape import ModelShape

GIB = 1 << 30
CONTEXT = 2.5 * GIB  # CUDA context, cuBLAS and NCCL buffers
FRAGMENTED = 0.10  # of activations: blocks that the allocator cannot reuse
WIDTHS = {"float32": 4, "bfloat16": 2, "float16": 2, "4bit": 0.516}  # bytes; NF4's scales are 0.127 bits
ENGINES = ("zero3", "fsdp2", "ddp")
ZERO_BUCKET = 5e8  # gradients: DeepSpeed's default of zero_optimization.reduce_bucket_size


@dataclass(frozen=True, kw_only=True)
class Setting:
    """How a step is run. `tokens` and `scored` are those of the largest micro-batch of one GPU."""

    gpus: int
    engine: str  # of ENGINES
    tokens: int
    scored: int
    checkpointing: bool
    lora_rank: int | None = None
    weights_dtype: str = "float32"

    @property
    def sharded(self) -> bool:
        return self.engine != "ddp" and self.gpus > 1


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Bytes on one GPU."""

    weights: float
    gradients: float
    optimiser: float
    gathered: float  # layers and gradients made whole for the moment, or autocast's bfloat16 copies
    activations: float
    head: float
    overhead: float

    @property
    def total(self) -> float:
        return sum(self.parts().values())

    def parts(self) -> dict[str, float]:
        return {
            "weights": self.weights,
            "gradients": self.gradients,
            "optimiser": self.optimiser,
            "whole layers": self.gathered,
            "activations": self.activations,
            "head chunk": self.head,
            "context and fragments": self.overhead,
        }


def estimate_memory(shape: ModelShape, setting: Setting) -> Memory:
    """The memory of one GPU at the peak of a step."""
    share = setting.gpus if setting.sharded else 1
    width = WIDTHS[setting.weights_dtype]
    edges = shape.parameters - shape.body  # embeddings and head: float32 over a base of 4 bits
    frozen = width * shape.body + (4 if setting.weights_dtype == "4bit" else width) * edges
    trained = shape.parameters if setting.lora_rank is None else setting.lora_rank * shape.linear_width
    adapters = 0 if setting.lora_rank is None else 4 * trained
    trained_width = width if setting.lora_rank is None else 4
    # ZeRO-3 computes with a bfloat16 copy of the weights that it trains
    copied = 2 * trained if setting.sharded and setting.engine == "zero3" and trained_width == 4 else 0
    activations = _activations(shape, setting)
    return Memory(
        weights=(frozen + adapters + copied) / share,
        gradients=trained_width * trained / share,
        optimiser=2 * trained_width * trained / share,
        gathered=_gathered(shape, setting, width) + _summed(shape, setting),
        activations=activations,
        head=_head(shape, setting),
        overhead=CONTEXT + FRAGMENTED * activations,
    )


def layer_bytes(shape: ModelShape, residual: int = 2) -> float:
    """Bytes per token that one layer keeps for its backward pass, in bfloat16 with memory-free attention.

    Two norms keep their input in float32 and their result; attention its inputs and its result; the gated
    feed-forward part its input and four tensors of the intermediate width.
    """
    d, i = shape.hidden, shape.intermediate
    queries, keys = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    norms = 2 * (4 + residual) * d
    attention = 2 * d + 2 * (2 * queries + 2 * keys)
    feed_forward = 2 * d + 2 * 4 * i
    return norms + attention + feed_forward


def _residual_width(setting: Setting) -> int:
    """Sharded engines cast the model to bfloat16; plain autocast keeps the residual stream in float32."""
    return 4 if setting.weights_dtype in ("float32", "4bit") and not setting.sharded else 2


def _activations(shape: ModelShape, setting: Setting) -> float:
    residual = _residual_width(setting)
    layer = layer_bytes(shape, residual) * setting.tokens
    if not setting.checkpointing:
        return shape.layers * layer
    return shape.layers * residual * shape.hidden * setting.tokens + layer


def _summed(shape: ModelShape, setting: Setting) -> float:
    """Gradients on their way to the sum over ranks, in float32: those of the largest unit, which is the head;
    DeepSpeed puts them into a bucket first. DDP's buckets hold all of them a second time, for good."""
    if setting.engine == "ddp" and setting.gpus > 1:
        trained = shape.parameters if setting.lora_rank is None else setting.lora_rank * shape.linear_width
        return trained * (4 if setting.lora_rank is not None else WIDTHS[setting.weights_dtype])
    if not setting.sharded or setting.lora_rank is not None:
        return 0
    head = shape.vocabulary * shape.hidden
    return 4 * head if setting.engine == "fsdp2" else 4 * max(head, ZERO_BUCKET) + 2 * ZERO_BUCKET


def _gathered(shape: ModelShape, setting: Setting, width: float) -> float:
    if not setting.sharded:
        return 2 * shape.body if width == 4 else 0  # autocast caches a bfloat16 copy of every weight
    edges = shape.parameters - shape.body
    return 2 * (edges + 2 * shape.body / shape.layers)  # this layer, and the next one on its way


def _head(shape: ModelShape, setting: Setting) -> float:
    logits = 4 * setting.scored * shape.vocabulary
    kept = logits if logits <= KEEP_BYTES else 0
    weight_gradient = 0 if setting.lora_rank is not None else 4 * shape.vocabulary * shape.hidden
    hidden = 3 * 4 * setting.scored * shape.hidden
    return kept + TILE_BYTES["cuda"] * 2 + weight_gradient + hidden
