"""Linear encoders and decoders, or with one hidden layer, of one or two latents."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

INITIAL_STD = 0.1


class Encoded(NamedTuple):
    """Posterior means of rows, [B, L] each, and draws from the posteriors."""

    mu: Tensor
    z: Tensor


class ShallowVAE(nn.Module):
    """Maps of a VAE, a conditional VAE or a Markovian hierarchical VAE, in float64.

    A row is [y, x], the data and then the condition, if there is one. The encoder sees all of it,
    the decoder z and x. A posterior's variances are one per dimension and do not depend on data.

    Args:
        dims: dimensions of y.
        condition_dims: dimensions of x; 0 is none.
        latent_dim: L, of each latent.
        stds: initial posterior standard deviation of each latent: one of them, or two.
        learnt: whether it is trained, for each latent.
        hidden_units: of the hidden layer, with ReLU; None is linear.
    """

    def __init__(
        self,
        *,
        dims: int,
        condition_dims: int,
        latent_dim: int,
        stds: tuple[float, ...],
        learnt: tuple[bool, ...],
        hidden_units: int | None = None,
    ) -> None:
        super().__init__()
        self.dims = dims
        rows = dims + condition_dims
        widths = [(rows, latent_dim, latent_dim + condition_dims, dims)]
        widths += [(latent_dim,) * 4] * (len(stds) - 1)
        self.encoders = nn.ModuleList(_layers(a, b, hidden_units) for a, b, _, _ in widths)
        self.decoders = nn.ModuleList(_layers(c, d, hidden_units) for _, _, c, d in widths)
        self.logvars = nn.ParameterList(
            nn.Parameter(
                torch.full((latent_dim,), 2 * math.log(std), dtype=torch.double),
                requires_grad=learn,
            )
            for std, learn in zip(stds, learnt, strict=True)
        )

    def encode(self, inputs: Tensor, noise: Tensor, *, level: int = 0) -> Encoded:
        """Rows [B, D], or draws of z1 [B, L] for level 1, with noise [B, L]."""
        mu = self.encoders[level](inputs)
        return Encoded(mu, mu + (0.5 * self.logvars[level]).exp() * noise)


def _layers(inputs: int, outputs: int, hidden_units: int | None) -> nn.Module:
    """Linear without bias, as the theory has it, or one hidden layer of ReLUs."""
    if hidden_units is None:
        layer = nn.Linear(inputs, outputs, bias=False, dtype=torch.double)
        nn.init.normal_(layer.weight, std=INITIAL_STD)
        return layer
    return nn.Sequential(
        nn.Linear(inputs, hidden_units, dtype=torch.double),
        nn.ReLU(),
        nn.Linear(hidden_units, outputs, dtype=torch.double),
    )
