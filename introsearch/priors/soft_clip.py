"""Adaptive soft clipping of the prior's log-variances (eqs. 10, 92-97)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def soft_clip(v: Tensor, low: Tensor, high: Tensor, *, sharpness: float) -> Tensor:
    """Squash v smoothly into about [low, high].

    f(v) = v - softplus_b(v - high) + softplus_b(low - v), b = sharpness / (high - low) (eq. 10).

    Args:
        v: [K, L] log-variances.
        low: [L] smallest log-variance at the end of warm-up.
        high: [L] largest; where it equals `low`, the result is that constant.
        sharpness: K of eq. 96, positive.

    Returns:
        [K, L] clipped log-variances.
    """
    flat = high <= low
    b = sharpness / torch.where(flat, torch.ones_like(high), high - low)
    above = functional.softplus(b * (v - high)) / b
    below = functional.softplus(b * (low - v)) / b
    return torch.where(flat, low, v - above + below)
