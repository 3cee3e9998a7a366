"""RealNVP: an invertible network with an exact log-determinant in both directions.

Written here because it is a page, and the flow libraries bring neither a zero start nor bounded
scales. There is no batch normalisation: its running statistics would make the map depend on mode
and history, and a flow that starts as the identity does not need it.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

LARGEST_LOG_SCALE = 2.0  # of one block: a factor of 7.4
BLOCK_ROWS = 2048  # points that pass together where nothing but points is wanted


class Mapped(NamedTuple):
    """Points [N, L] after a map, and the log-determinant of the map's Jacobian at each, [N]."""

    z: Tensor
    log_det: Tensor


class CouplingBlock(nn.Module):
    """b -> b * exp(s(a)) + t(a), with a unchanged; |s| < 2, and s = t = 0 at the start.

    Args:
        given: dimensions of a.
        changed: dimensions of b.
        hidden_units: width of the two hidden layers of s and of t.
    """

    def __init__(self, given: int, changed: int, *, hidden_units: int) -> None:
        super().__init__()
        self.scale = _three_layers(given, changed, hidden_units, nn.Tanh)
        self.shift = _three_layers(given, changed, hidden_units, nn.ReLU)

    def forward(self, a: Tensor) -> tuple[Tensor, Tensor]:
        """Log-scales and shifts of b, each [N, changed]."""
        return LARGEST_LOG_SCALE * torch.tanh(self.scale(a)), self.shift(a)


class RealNVP(nn.Module):
    """Coupling blocks that change odd and even dimensions in turn (Dinh et al. 2017).

    Args:
        latent_dim: L, at least 2; it may be odd.
        num_blocks: coupling blocks, at least 1; with 2 every dimension has been changed.
        hidden_units: width of their hidden layers.

    Raises:
        ValueError: fewer dimensions or blocks than that.
    """

    def __init__(self, latent_dim: int, *, num_blocks: int, hidden_units: int) -> None:
        super().__init__()
        if latent_dim < 2 or num_blocks < 1:
            raise ValueError(f"no flow of {num_blocks} blocks in {latent_dim} dimensions")
        even, odd = (latent_dim + 1) // 2, latent_dim // 2
        sizes = [(even, odd) if i % 2 == 0 else (odd, even) for i in range(num_blocks)]
        self.blocks = nn.ModuleList(
            CouplingBlock(given, changed, hidden_units=hidden_units) for given, changed in sizes
        )
        order = torch.cat([torch.arange(0, latent_dim, 2), torch.arange(1, latent_dim, 2)])
        self.back_in_order: Tensor
        self.register_buffer("back_in_order", order.argsort(), persistent=False)

    def forward(self, noise: Tensor) -> Mapped:
        """z = g(noise) for noise [N, L], and log |det dg / d noise|."""
        parts = [noise[:, 0::2], noise[:, 1::2]]
        log_det = noise.new_zeros(len(noise))
        for i, block in enumerate(self.blocks):
            log_scale, shift = block(parts[i % 2])
            parts[1 - i % 2] = parts[1 - i % 2] * log_scale.exp() + shift
            log_det = log_det + log_scale.sum(dim=1)
        return Mapped(torch.cat(parts, dim=1)[:, self.back_in_order], log_det)

    def points(self, noise: Tensor) -> Tensor:
        """z = g(noise) alone for noise [N, L]: without log-determinants, a block of rows at a time.

        Blocks stay in cache; the products of matrices take most of the time that is left.
        """
        return torch.cat([self._points(block) for block in noise.split(BLOCK_ROWS)])

    def _points(self, noise: Tensor) -> Tensor:
        parts = [noise[:, 0::2].contiguous(), noise[:, 1::2].contiguous()]
        for i, block in enumerate(self.blocks):
            log_scale, shift = block(parts[i % 2])
            parts[1 - i % 2] = torch.addcmul(shift, parts[1 - i % 2], log_scale.exp())
        return torch.cat(parts, dim=1)[:, self.back_in_order]

    def inverse(self, z: Tensor) -> Mapped:
        """The noise with g(noise) = z for z [N, L], and log |det d noise / dz|."""
        parts = [z[:, 0::2], z[:, 1::2]]
        log_det = z.new_zeros(len(z))
        for i, block in reversed(list(enumerate(self.blocks))):
            log_scale, shift = block(parts[i % 2])
            parts[1 - i % 2] = (parts[1 - i % 2] - shift) * (-log_scale).exp()
            log_det = log_det - log_scale.sum(dim=1)
        return Mapped(torch.cat(parts, dim=1)[:, self.back_in_order], log_det)


def _three_layers(
    inputs: int, outputs: int, hidden_units: int, activation: type[nn.Module]
) -> nn.Sequential:
    """Orthogonal weights and zero biases; the last layer is zero, so that a block starts as the
    identity. With a random last layer, six blocks got stuck far from a mixture of Gaussians."""
    first, second = nn.Linear(inputs, hidden_units), nn.Linear(hidden_units, hidden_units)
    last = nn.Linear(hidden_units, outputs)
    nn.init.orthogonal_(first.weight)
    nn.init.orthogonal_(second.weight)
    nn.init.zeros_(last.weight)
    for layer in (first, second, last):
        nn.init.zeros_(layer.bias)
    return nn.Sequential(first, activation(), second, activation(), last)
