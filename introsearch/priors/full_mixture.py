"""Mixtures of Gaussians with full covariance matrices, fitted elsewhere."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from introsearch.priors.base import Prior
from introsearch.priors.log_density import LOG_2PI

_BLOCK_ELEMENTS = 2**22


class FullCovarianceMixture(Prior):
    """sum_k w_k N(mu_k, A_k A_k^T).

    Args:
        mu: [K, L] means.
        factors: [K, L, L] lower triangular A_k with positive diagonals.
        weights: [K], summing to one.
    """

    dear_density = True

    def __init__(self, mu: Tensor, factors: Tensor, weights: Tensor) -> None:
        super().__init__()
        self.mu: Tensor
        self.factors: Tensor
        self.weights: Tensor
        self.register_buffer("mu", mu)
        self.register_buffer("factors", factors)
        self.register_buffer("weights", weights)

    def log_prob(self, z: Tensor, *, frozen: bool = False) -> Tensor:
        flat = z.reshape(-1, z.shape[-1])
        rows = max(1, _BLOCK_ELEMENTS // self.mu.numel())
        blocks = [self._block_log_prob(block) for block in flat.split(rows)]
        return torch.cat(blocks).reshape(z.shape[:-1])

    def sample(self, n: int, generator: Generator) -> Tensor:
        chosen = torch.multinomial(self.weights, n, replacement=True, generator=generator)
        noise = torch.randn(
            n, self.mu.shape[1], generator=generator, device=self.mu.device, dtype=self.mu.dtype
        )
        z = torch.empty_like(noise)
        for k, (mu, factor) in enumerate(zip(self.mu, self.factors, strict=True)):
            own = chosen == k
            z[own] = mu + noise[own] @ factor.T
        return z

    def _block_log_prob(self, z: Tensor) -> Tensor:
        log_parts = []
        for mu, factor, weight in zip(self.mu, self.factors, self.weights, strict=True):
            white = torch.linalg.solve_triangular(factor, (z - mu).T, upper=False)
            log_det = factor.diagonal().log().sum()
            constant = weight.log() - log_det - 0.5 * len(mu) * LOG_2PI
            log_parts.append(constant - 0.5 * white.square().sum(dim=0))
        return torch.stack(log_parts).logsumexp(dim=0)
