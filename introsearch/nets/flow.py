"""RealNVP: an invertible network with an exact log-determinant in both directions.

Written here because it is a page, and the flow libraries bring neither a zero start nor bounded
scales. There is no batch normalisation: its running statistics would make the map depend on mode
and history, and a flow that starts as the identity does not need it.

Inside, a point is a column, and many points pass a block at a time: products of matrices are
fastest that way on a CPU, and what is between them stays in cache.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from introsearch.nets.blocks import block_rows

_LARGEST_LOG_SCALE = 2.0  # of one block: a factor of 7.4


class Mapped(NamedTuple):
    """Points [N, L] after a map, and the log-determinant of the map's Jacobian at each, [N]."""

    z: Tensor
    log_det: Tensor


class _InPlaceTanh(nn.Module):
    """tanh in place, which nothing but the layer before has a use for."""

    def forward(self, x: Tensor) -> Tensor:
        """Of any shape."""
        return x.tanh_()


class _CouplingBlock(nn.Module):
    """b -> b * exp(s(a)) + t(a), with a unchanged; |s| < 2, and s = t = 0 at the start.

    Args:
        given: dimensions of a.
        changed: dimensions of b.
        hidden_units: width of the two hidden layers of s and of t.
    """

    def __init__(self, given: int, changed: int, *, hidden_units: int) -> None:
        super().__init__()
        sizes = (given, changed, hidden_units)
        self.scale = _three_layers(*sizes, activation=_InPlaceTanh())
        self.shift = _three_layers(*sizes, activation=nn.ReLU(inplace=True))

    def forward(self, a: Tensor) -> tuple[Tensor, Tensor]:
        """Log-scales and shifts of b, each [changed, N], for a [given, N]."""
        return _LARGEST_LOG_SCALE * _of_columns(self.scale, a).tanh(), _of_columns(self.shift, a)


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
        self.hidden_units = hidden_units
        even, odd = (latent_dim + 1) // 2, latent_dim // 2
        sizes = [(even, odd) if i % 2 == 0 else (odd, even) for i in range(num_blocks)]
        self.blocks = nn.ModuleList(
            _CouplingBlock(given, changed, hidden_units=hidden_units) for given, changed in sizes
        )
        order = torch.cat([torch.arange(0, latent_dim, 2), torch.arange(1, latent_dim, 2)])
        self.back_in_order: Tensor
        self.register_buffer("back_in_order", order.argsort(), persistent=False)

    def forward(self, noise: Tensor) -> Mapped:
        """z = g(noise) for noise [N, L], and log |det dg / d noise|."""
        return self._in_blocks(self._forward, noise)

    def inverse(self, z: Tensor) -> Mapped:
        """The noise with g(noise) = z for z [N, L], and log |det d noise / dz|."""
        return self._in_blocks(self._inverse, z)

    def _in_blocks(self, one: Callable[[Tensor], Mapped], points: Tensor) -> Mapped:
        blocks = map(one, points.split(block_rows(self.hidden_units, points.device)))
        return Mapped(*(torch.cat(parts) for parts in zip(*blocks, strict=True)))

    def _forward(self, noise: Tensor) -> Mapped:
        parts, log_det = _even_and_odd(noise), noise.new_zeros(len(noise))
        for i, block in enumerate(self.blocks):
            log_scale, shift = block(parts[i % 2])
            parts[1 - i % 2] = torch.addcmul(shift, parts[1 - i % 2], log_scale.exp())
            log_det = log_det + log_scale.sum(dim=0)
        return Mapped(self._together(parts), log_det)

    def _inverse(self, z: Tensor) -> Mapped:
        parts, log_det = _even_and_odd(z), z.new_zeros(len(z))
        for i, block in reversed(list(enumerate(self.blocks))):
            log_scale, shift = block(parts[i % 2])
            parts[1 - i % 2] = (parts[1 - i % 2] - shift) * (-log_scale).exp()
            log_det = log_det - log_scale.sum(dim=0)
        return Mapped(self._together(parts), log_det)

    def _together(self, parts: list[Tensor]) -> Tensor:
        return torch.cat(parts).index_select(0, self.back_in_order).T.contiguous()


def _even_and_odd(points: Tensor) -> list[Tensor]:
    """Even and odd dimensions of points [N, L], with a column per point."""
    return [points[:, 0::2].T.contiguous(), points[:, 1::2].T.contiguous()]


def _of_columns(net: nn.Sequential, x: Tensor) -> Tensor:
    """What `net` makes of the columns of x [inputs, N], as columns."""
    for layer in net:
        if isinstance(layer, nn.Linear):
            x = torch.addmm(layer.bias[:, None], layer.weight, x)
        else:
            x = layer(x)
    return x


def _three_layers(
    inputs: int, outputs: int, hidden_units: int, *, activation: nn.Module
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
    return nn.Sequential(first, activation, second, activation, last)
