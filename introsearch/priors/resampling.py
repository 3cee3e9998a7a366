"""Sampling-importance-resampling (SIR) in bounded memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Generator, Tensor

BLOCK_ROWS = 2**14  # proposals held at the same time; with more, a CPU's cache is too small

Propose = Callable[[int], tuple[Tensor, Tensor]]


class Resampled(NamedTuple):
    """[n, L] points, and for each the effective sample size of its proposals over K, [n]."""

    z: Tensor
    effective_share: Tensor


def resample(propose: Propose, n: int, *, num_proposals: int, generator: Generator) -> Resampled:
    """Draw each point from K proposals of its own, in proportion to their weights.

    The choice is made by the Gumbel-max rule, which needs to remember only the best proposal so
    far: however many there are, they pass through in blocks.

    Args:
        propose: from a number of proposals to them, [m, L], and their log-weights, [m].
        n: points to draw.
        num_proposals: K; with 1 the proposals themselves come back.
        generator: for the choice, on the device of the proposals.
    """
    rows = max(1, BLOCK_ROWS // num_proposals)
    blocks = [
        _resample_block(propose, min(rows, n - i), num_proposals, generator)
        for i in range(0, n, rows)
    ]
    return Resampled(*(torch.cat(parts) for parts in zip(*blocks, strict=True)))


def _resample_block(propose: Propose, n: int, k: int, generator: Generator) -> Resampled:
    chunk = max(1, BLOCK_ROWS // n)
    best, chosen, sums, squares = None, None, [], []
    for i in range(0, k, chunk):
        m = min(chunk, k - i)
        z, log_weight = propose(n * m)
        z, log_weight = z.view(n, m, -1), log_weight.view(n, m)
        sums.append(log_weight.logsumexp(dim=1))
        squares.append((2 * log_weight).logsumexp(dim=1))
        score, index = (log_weight + _gumbel(log_weight, generator)).max(dim=1)
        candidate = z[torch.arange(n, device=z.device), index]
        if best is None or chosen is None:
            best, chosen = score, candidate
        else:
            chosen = torch.where((score > best)[:, None], candidate, chosen)
            best = torch.maximum(score, best)
    assert chosen is not None
    log_sum, log_squares = (torch.stack(x).logsumexp(dim=0) for x in (sums, squares))
    return Resampled(chosen, (2 * log_sum - log_squares).exp() / k)


def _gumbel(like: Tensor, generator: Generator) -> Tensor:
    u = torch.rand(like.shape, generator=generator, device=like.device, dtype=like.dtype)
    tiny = torch.finfo(like.dtype).tiny
    return -(-(u.clamp(min=tiny)).log()).clamp(min=tiny).log()
