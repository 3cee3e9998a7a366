"""The standard Gaussian prior."""

from __future__ import annotations

from typing import Self

import torch
from torch import Generator, Tensor

from introsearch.priors.base import Components, Prior, PriorContext
from introsearch.priors.log_density import LOG_2PI


class StandardGaussian(Prior):
    """N(0, I) over `latent_dim` dimensions."""

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.zero: Tensor
        self.register_buffer("zero", torch.zeros(1, latent_dim))

    @classmethod
    def create(cls, context: PriorContext) -> Self:
        return cls(context.latent_dim).to(context.generator.device)

    def components(self) -> Components:
        return Components(self.zero, self.zero, self.zero[:, 0])

    def log_prob(self, z: Tensor, *, frozen: bool = False) -> Tensor:
        return -0.5 * (z.square().sum(dim=-1) + z.shape[-1] * LOG_2PI)

    def mean_log_prob(self, mu: Tensor, logvar: Tensor, noise: Tensor) -> Tensor:
        """As of any prior; two moments of the noise say all, and no draw is formed."""
        first, second = noise.mean(dim=0), noise.square().mean(dim=0)
        squares = mu.square() + 2 * mu * (0.5 * logvar).exp() * first + logvar.exp() * second
        return -0.5 * (squares.sum(dim=-1) + mu.shape[-1] * LOG_2PI)

    def sample(self, n: int, generator: Generator) -> Tensor:
        return torch.randn(
            n,
            self.zero.shape[1],
            generator=generator,
            device=self.zero.device,
            dtype=self.zero.dtype,
        )
