"""Encoders and decoders of one or two latents: linear, one hidden layer, or convolutions."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from introsearch.nets.image_rows import ImageLayout, RowDecoder, RowEncoder

INITIAL_STD = 0.1


class Encoded(NamedTuple):
    """Posterior means of rows, [B, L] each, and draws from the posteriors."""

    mu: Tensor
    z: Tensor


class ShallowVAE(nn.Module):
    """Maps of a VAE, a conditional VAE or a Markovian hierarchical VAE, in float64.

    A row is [y, x], the data and then the condition, if there is one. The encoder sees all of it,
    the decoder z and x. Convolutions alone are in float32. A posterior's variances are one per
    dimension and do not depend on data.

    Args:
        dims: dimensions of y.
        condition_dims: dimensions of x; 0 is none.
        latent_dim: L, of each latent.
        stds: initial posterior standard deviation of each latent: one of them, or two.
        learnt: whether it is trained, for each latent.
        hidden_units: of the hidden layer, with ReLU; None is linear.
        layout: how rows hold images, for convolutions.
        channels: of convolutions between rows and the first latent; None is without.
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
        layout: ImageLayout | None = None,
        channels: tuple[int, ...] | None = None,
    ) -> None:
        super().__init__()
        self.dims = dims
        rows = dims + condition_dims
        inputs, upper = latent_dim + condition_dims, (latent_dim, latent_dim, hidden_units)
        images = None if channels is None else layout
        if images is None or channels is None:
            encoder: nn.Module = _layers(rows, latent_dim, hidden_units)
        else:
            encoder = RowEncoder(images, rows, latent_dim, channels=channels)
        self.encoders = nn.ModuleList([encoder, *(_layers(*upper) for _ in stds[1:])])
        if images is None or channels is None:
            decoder: nn.Module = _layers(inputs, dims, hidden_units)
        else:
            decoder = RowDecoder(images, inputs, dims, channels=channels)
        self.decoders = nn.ModuleList([decoder, *(_layers(*upper) for _ in stds[1:])])
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
