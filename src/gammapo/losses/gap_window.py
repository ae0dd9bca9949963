"""The window of recent reward gaps: the explicit memory of losses that judge a gap among others.

It starts empty, is fed by training steps only (evaluation passes the state in and drops the one that comes
out), and is a plain tensor: a checkpoint holds it, and every rank that sees the same step has the same.
"""

from __future__ import annotations

import torch
from torch import Tensor


def empty() -> Tensor:
    """A window without gaps: (0,)."""
    return torch.zeros(0, dtype=torch.float32)


def joined(window: Tensor, gaps: Tensor, size: int) -> Tensor:
    """`gaps` (B,), preceded by as many of the latest of `window` (W,) as make up `size` in all.

    The last B entries are always the whole of `gaps`, in order, in their own type and on their device.
    """
    room = max(0, min(size - len(gaps), len(window)))
    return torch.cat([window[len(window) - room :].to(gaps), gaps.detach()])


def appended(window: Tensor, gaps: Tensor, size: int) -> Tensor:
    """The window after this step: the latest `size` gaps, float32, on the device of `gaps`."""
    latest = torch.cat([window.to(gaps.device), gaps.detach().float()])
    return latest[max(0, len(latest) - size) :]
