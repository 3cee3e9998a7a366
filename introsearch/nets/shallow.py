"""Encoders and decoders of one or two latents: linear, one hidden layer, or convolutions."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from introsearch.nets.image_rows import ImageLayout, RowDecoder, RowEncoder

_INITIAL_STD = 0.1


class Encoded(NamedTuple):
    """Posteriors of rows, and draws from them.

    Attributes:
        mu: [B, L] means.
        logvar: [L] log-variances, or [B, L] where they depend on the row.
        z: [B, L] draws.
    """

    mu: Tensor
    logvar: Tensor
    z: Tensor

    @property
    def mean_logvar(self) -> Tensor:
        """[L] averaged over rows."""
        return self.logvar if self.logvar.ndim == 1 else self.logvar.mean(dim=0)

    @property
    def mean_variance(self) -> Tensor:
        """[L] averaged over rows."""
        variance = self.logvar.exp()
        return variance if variance.ndim == 1 else variance.mean(dim=0)


class ShallowVAE(nn.Module):
    """Maps of a VAE, a conditional VAE or a Markovian hierarchical VAE, in float64.

    A row is [y, x], the data and then the condition, if there is one. The encoder sees all of it,
    the decoder z and x. Convolutions alone are in float32. A posterior's variances are one per
    dimension, fixed or learnt; or amortised, given by further L outputs of the encoder, as the log
    of the factor by which they differ from the initial ones.

    Args:
        dims: dimensions of y.
        condition_dims: dimensions of x; 0 is none.
        latent_dim: L, of each latent.
        stds: initial posterior standard deviation of each latent: one of them, or two.
        variances: of each latent's posterior: ``fixed``, ``learnt`` or ``amortised``.
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
        variances: tuple[str, ...],
        hidden_units: int | None = None,
        layout: ImageLayout | None = None,
        channels: tuple[int, ...] | None = None,
    ) -> None:
        super().__init__()
        self.dims = dims
        rows = dims + condition_dims
        inputs, upper = latent_dim + condition_dims, (latent_dim, latent_dim, hidden_units)
        outputs = [latent_dim * (2 if v == "amortised" else 1) for v in variances]
        self.variances = variances
        images = None if channels is None else layout
        if images is None or channels is None:
            encoder: nn.Module = _layers(rows, outputs[0], hidden_units)
        else:
            encoder = RowEncoder(images, rows, outputs[0], channels=channels)
        above = (_layers(latent_dim, n, hidden_units) for n in outputs[1:])
        self.encoders = nn.ModuleList([encoder, *above])
        if images is None or channels is None:
            decoder: nn.Module = _layers(inputs, dims, hidden_units)
        else:
            decoder = RowDecoder(images, inputs, dims, channels=channels)
        self.decoders = nn.ModuleList([decoder, *(_layers(*upper) for _ in stds[1:])])
        self.logvars = nn.ParameterList(
            nn.Parameter(
                torch.full((latent_dim,), 2 * math.log(std), dtype=torch.double),
                requires_grad=variance == "learnt",
            )
            for std, variance in zip(stds, variances, strict=True)
        )

    def posterior(self, inputs: Tensor, *, level: int = 0) -> tuple[Tensor, Tensor]:
        """Means and log-variances (`Encoded`) of rows [B, D], or of draws of z1 for level 1."""
        mu: Tensor = self.encoders[level](inputs)
        logvar: Tensor = self.logvars[level]
        if self.variances[level] == "amortised":
            mu, factor = mu.chunk(2, dim=1)
            logvar = logvar + factor
        return mu, logvar

    def encode(self, inputs: Tensor, noise: Tensor, *, level: int = 0) -> Encoded:
        """Rows [B, D], or draws of z1 [B, L] for level 1, with noise [B, L]."""
        mu, logvar = self.posterior(inputs, level=level)
        return Encoded(mu, logvar, mu + (0.5 * logvar).exp() * noise)


def _layers(inputs: int, outputs: int, hidden_units: int | None) -> nn.Module:
    """Linear without bias, as the theory has it, or one hidden layer of ReLUs."""
    if hidden_units is None:
        layer = nn.Linear(inputs, outputs, bias=False, dtype=torch.double)
        nn.init.normal_(layer.weight, std=_INITIAL_STD)
        return layer
    return nn.Sequential(
        nn.Linear(inputs, hidden_units, dtype=torch.double),
        nn.ReLU(),
        nn.Linear(hidden_units, outputs, dtype=torch.double),
    )
