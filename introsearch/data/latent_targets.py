"""Densities in the plane that stand for an aggregate posterior: latent points without a VAE."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from introsearch.data.toy import ToyData


class LatentTarget(ToyData):
    """A known density of latent points. Subclasses define `sample` and `log_prob`."""

    kind = "latents"

    def log_prob(self, z: Tensor) -> Tensor:
        """Log-density in nats, [..., 2] -> [...]."""
        raise NotImplementedError


class FourGaussians(LatentTarget):
    """Four equal modes of standard deviation 0.35 on a circle of radius 1.5: N(0, I) has a hole."""

    radius, std = 1.5, 0.35

    def sample(self, n: int, generator: Generator) -> Tensor:
        mode = torch.randint(4, (n,), generator=generator, device=generator.device)
        noise = torch.randn(n, 2, generator=generator, device=generator.device)
        return self._centres(noise)[mode] + self.std * noise

    def log_prob(self, z: Tensor) -> Tensor:
        squared = (z[..., None, :] - self._centres(z)).square().sum(dim=-1)
        norm = math.log(4 * 2 * math.pi * self.std**2)
        return (-0.5 * squared / self.std**2).logsumexp(dim=-1) - norm

    def _centres(self, like: Tensor) -> Tensor:
        r = self.radius
        centres = [(r, 0.0), (0.0, r), (-r, 0.0), (0.0, -r)]
        return torch.stack([_constant(like, *centre) for centre in centres])


class ShiftedGaussian(LatentTarget):
    """N((1.5, -1), diag(0.6, 1.2)^2): a posterior that missed the prior in mean and scale."""

    def sample(self, n: int, generator: Generator) -> Tensor:
        noise = torch.randn(n, 2, generator=generator, device=generator.device)
        mean, std = self._moments(noise)
        return mean + std * noise

    def log_prob(self, z: Tensor) -> Tensor:
        mean, std = self._moments(z)
        return torch.distributions.Normal(mean, std).log_prob(z).sum(dim=-1)

    def _moments(self, like: Tensor) -> tuple[Tensor, Tensor]:
        return _constant(like, 1.5, -1.0), _constant(like, 0.6, 1.2)


def _constant(like: Tensor, *values: float) -> Tensor:
    """A vector on the device of `like`, made there: a copy from the host would wait for it."""
    return torch.stack([like.new_full((), value) for value in values])
