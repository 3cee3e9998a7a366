"""The maximum mean discrepancy between two samples."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

_WIDTHS = (0.25, 0.5, 1.0, 2.0)  # in units of the median distance
BLOCK_ROWS = 256


def bandwidths_of(reference: Tensor) -> list[float]:
    """`_WIDTHS` times the median distance between points of a reference sample [N, L]."""
    median = float(torch.pdist(reference[:1_000]).median())
    return [width * max(median, 1e-6) for width in _WIDTHS]


def mmd_squared(x: Tensor, y: Tensor, *, bandwidths: Sequence[float]) -> Tensor:
    """Unbiased estimate of MMD^2, which may be negative (Gretton et al. 2012, eq. 3).

    Args:
        x: [N, L], N at least 2.
        y: [M, L], M at least 2.
        bandwidths: h of the kernels exp(-|x - y|^2 / 2 h^2), whose mean is used.
    """
    n, m = len(x), len(y)
    x, y = x.double(), y.double()
    xx = (_kernel_sum(x, x, bandwidths) - n) / (n * (n - 1))
    yy = (_kernel_sum(y, y, bandwidths) - m) / (m * (m - 1))
    return xx + yy - 2 * _kernel_sum(x, y, bandwidths) / (n * m)


def _kernel_sum(x: Tensor, y: Tensor, bandwidths: Sequence[float]) -> Tensor:
    """Sum over all pairs, in blocks that stay in cache."""
    total = x.new_zeros(())
    for block in x.split(BLOCK_ROWS):
        squared = torch.cdist(block, y).square()
        for h in bandwidths:
            total = total + (squared * (-0.5 / h**2)).exp().sum()
    return total / len(bandwidths)
