"""The multi-layer perceptrons of the 2D benchmark.

Inside an autocast they give back the number format of their input, so that losses keep it.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from torch import Tensor, nn

_NUM_HIDDEN_LAYERS = 4


class Posterior(NamedTuple):
    """The diagonal Gaussian q(z|x): `mu` and `logvar`, each [..., L]."""

    mu: Tensor
    logvar: Tensor


def mlp(inputs: int, outputs: int, *, hidden_units: int) -> nn.Sequential:
    """ReLU network with four hidden layers: inputs - h - h - h - h - outputs.

    ReLUs work in place: nothing else wants their inputs, and a pass moves less memory.
    """
    widths = [inputs] + [hidden_units] * _NUM_HIDDEN_LAYERS
    layers: list[nn.Module] = []
    for i, o in pairwise(widths):
        layers += [nn.Linear(i, o), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.Linear(hidden_units, outputs))


class MLPEncoder(nn.Module):
    """q(z|x) for points x of D dimensions."""

    def __init__(self, data_dims: int, latent_dim: int, *, hidden_units: int) -> None:
        super().__init__()
        self.net = mlp(data_dims, 2 * latent_dim, hidden_units=hidden_units)

    def forward(self, x: Tensor) -> Posterior:
        """x [B, D] -> mu, logvar [B, L]."""
        mu, logvar = self.net(x).to(x.dtype).chunk(2, dim=-1)
        return Posterior(mu, logvar)


class MLPDecoder(nn.Module):
    """The mean of p(x|z)."""

    def __init__(self, latent_dim: int, data_dims: int, *, hidden_units: int) -> None:
        super().__init__()
        self.net = mlp(latent_dim, data_dims, hidden_units=hidden_units)

    def forward(self, z: Tensor) -> Tensor:
        """z [B, L] -> x [B, D]."""
        x: Tensor = self.net(z).to(z.dtype)
        return x
