"""The contract of a prior, and what every mixture shares."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, NamedTuple, Self

import torch
from torch import Generator, Tensor, nn

from introsearch.losses.kl import reparameterise
from introsearch.nets.number_format import tf32_products
from introsearch.priors.log_density import mixture_coefficients, mixture_log_prob


class Components(NamedTuple):
    """Diagonal Gaussians and their weights.

    `mu` and `logvar` are [K, L], `log_weights` [K] (normalised: exp sums to one).
    """

    mu: Tensor
    logvar: Tensor
    log_weights: Tensor

    def detach(self) -> Components:
        """The same values as constants."""
        return Components(self.mu.detach(), self.logvar.detach(), self.log_weights.detach())


class PriorContext(NamedTuple):
    """What a prior may start from.

    Attributes:
        latent_dim: L.
        components: K.
        learnable_contributions: whether mixture weights are trained.
        data: [K, ...] data points.
        encode: the encoder, from data to (mu, logvar).
        generator: for initial values, on the device to be used.
        data_range: what data are confined to, if to anything; images are to (0, 1).
        moves_bounds: whether what is learned in data space may leave a bound that it is at.
    """

    latent_dim: int
    components: int
    learnable_contributions: bool
    data: Tensor
    encode: Callable[[Tensor], tuple[Tensor, Tensor]]
    generator: Generator
    data_range: tuple[float, float] | None = None
    moves_bounds: bool = False


class Prior(nn.Module):
    """p(z) over L latent dimensions; all state is in parameters and buffers.

    A prior defines `create`, `log_prob` and `sample`. A mixture of Gaussians is derived from
    `MixturePrior` and defines `create` and `components`.

    Attributes:
        dear_density: a point's density takes a network's pass, or as long: metrics that ask for a
            hundred million of them may draw fewer.
    """

    dear_density: ClassVar[bool] = False

    @classmethod
    def create(cls, context: PriorContext) -> Self:
        """The prior at the start of training, on the generator's device."""
        raise NotImplementedError

    def components(self) -> Components:
        """The Gaussians that make up the prior; none unless it is made of some."""
        return Components(torch.empty(0, 2), torch.empty(0, 2), torch.empty(0))

    def log_prob(self, z: Tensor, *, frozen: bool = False) -> Tensor:
        """log p(z) in nats for z [..., L], as [...].

        Args:
            z: latent points.
            frozen: treat the prior as a constant: gradients reach z only.
        """
        raise NotImplementedError

    def mean_log_prob(self, mu: Tensor, logvar: Tensor, noise: Tensor) -> Tensor:
        """The mean of log p(z) over the draws mu + exp(logvar / 2) * noise, in nats.

        Args:
            mu: [N, L].
            logvar: [N, L].
            noise: [T, 1, L] or [T, N, L].

        Returns:
            [N].
        """
        return self.log_prob(reparameterise(mu, logvar, noise)).mean(dim=0)

    def sample(self, n: int, generator: Generator) -> Tensor:
        """Draw [n, L] points, reparameterised: gradients reach means and variances."""
        raise NotImplementedError


class MixturePrior(Prior):
    """What follows from `components` alone: density, samples and responsibilities."""

    def log_prob(self, z: Tensor, *, frozen: bool = False) -> Tensor:
        parts = self.components()
        shift, coefficients = mixture_coefficients(*(parts.detach() if frozen else parts))
        flat = (z - shift).reshape(-1, z.shape[-1])
        return mixture_log_prob(flat, coefficients).reshape(z.shape[:-1])

    def sample(self, n: int, generator: Generator) -> Tensor:
        mu, logvar, log_weights = self.components()
        # Weights that are not numbers must show in the losses; multinomial would crash on them.
        weights = log_weights.detach().exp().nan_to_num(nan=1.0)
        chosen = torch.multinomial(weights, n, replacement=True, generator=generator)
        noise = torch.randn(n, mu.shape[1], generator=generator, device=mu.device, dtype=mu.dtype)
        return mu.index_select(0, chosen) + (0.5 * logvar).exp().index_select(0, chosen) * noise

    def responsibilities(self, z: Tensor) -> Tensor:
        """p(component | z) for z [..., L], as [..., K] (eq. 11)."""
        shift, coefficients = mixture_coefficients(*self.components())
        centred = z - shift
        features = torch.cat([torch.ones_like(z[..., :1]), centred, centred.square()], dim=-1)
        with tf32_products(allowed=False):
            return (features @ coefficients).softmax(dim=-1)
