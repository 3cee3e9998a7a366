"""The density of a normalising flow."""

from __future__ import annotations

import copy

import torch
from torch import Generator, Tensor

from introsearch.nets.flow import RealNVP
from introsearch.priors.base import Prior
from introsearch.priors.log_density import LOG_2PI


class FlowPrior(Prior):
    """z = g(noise), noise from N(0, I): one pass to sample, one inverse pass for the density.

    Args:
        flow: g.
        latent_dim: L.
    """

    dear_density = True

    def __init__(self, flow: RealNVP, latent_dim: int) -> None:
        super().__init__()
        self.flow = flow
        self.zero: Tensor
        self.register_buffer("zero", torch.zeros(latent_dim), persistent=False)

    def log_prob(self, z: Tensor, *, frozen: bool = False) -> Tensor:
        flow = copy.deepcopy(self.flow).requires_grad_(False) if frozen else self.flow
        noise, log_det = flow.inverse(z.reshape(-1, z.shape[-1]))
        return (log_normal(noise) + log_det).reshape(z.shape[:-1])

    def sample(self, n: int, generator: Generator) -> Tensor:
        return self.flow(self._noise(n, generator)).z

    def sample_with_density(self, n: int, generator: Generator) -> tuple[Tensor, Tensor]:
        """[n, L] points and their log-densities [n], from the same pass."""
        noise = self._noise(n, generator)
        z, log_det = self.flow(noise)
        return z, log_normal(noise) - log_det

    def _noise(self, n: int, generator: Generator) -> Tensor:
        return torch.randn(
            n,
            len(self.zero),
            generator=generator,
            device=self.zero.device,
            dtype=self.zero.dtype,
        )


def log_normal(noise: Tensor) -> Tensor:
    """Log-density of N(0, I), [..., L] -> [...]."""
    return -0.5 * (noise.square().sum(dim=-1) + noise.shape[-1] * LOG_2PI)
