"""The plain convolutional networks that EVaLP's authors train their VAEs with.

Strided convolutions with batch normalisation and ReLU, as in regularised autoencoders (Ghosh et
al. 2020). Two things differ from the authors' code: batches are normalised by their own statistics
(`nets.batch_norm`), and images are padded within the networks, so that data stay as they are.
Inside an autocast they give back the number format of their input.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from introsearch.nets.batch_norm import batch_norm
from introsearch.nets.mlp import Posterior

_KERNEL = 4
_EPSILON = 1e-3  # of batch normalisation
_LARGEST_OUTPUT = 5.0  # of the encoder: 5 tanh
_LEAST_SIDE = 8  # pixels of the maps that the decoder starts from, or more


class StridedEncoder(nn.Module):
    """q(z|x) for square images, halved in size once per entry of `channels`.

    Images are padded with zeros to what can be halved so often, and scaled to [-1, 1].

    Args:
        shape: of an image, (C, H, W).
        latent_dim: L.
        channels: of the feature maps, from the image's side to the latent's.
    """

    def __init__(self, shape: Sequence[int], latent_dim: int, *, channels: Sequence[int]) -> None:
        super().__init__()
        self.margins = _margins(shape[1], len(channels))
        layers: list[nn.Module] = []
        for i, o in pairwise([shape[0], *channels]):
            convolution = nn.Conv2d(i, o, _KERNEL, stride=2, padding=1, bias=False)
            layers += [convolution, batch_norm(o, epsilon=_EPSILON), nn.ReLU(inplace=True)]
        self.net = nn.Sequential(*layers, nn.Flatten())
        side = padded_side(shape[1], len(channels)) // 2 ** len(channels)
        self.head = nn.Linear(channels[-1] * side**2, 2 * latent_dim)

    def forward(self, x: Tensor) -> Posterior:
        """x [B, C, H, W] in [0, 1] -> mu, logvar [B, L] in (-5, 5)."""
        scaled = 2 * functional.pad(x, self.margins) - 1
        output = _LARGEST_OUTPUT * torch.tanh(self.head(self.net(scaled)).to(x.dtype))
        return Posterior(*output.chunk(2, dim=-1))


class StridedDecoder(nn.Module):
    """The mean of p(x|z) for square images, in (0, 1).

    It starts from maps of 8 pixels a side, or the next larger number that can be doubled to the
    padded image's side, and has as many of the last entries of `channels` as it takes.

    Args:
        latent_dim: L.
        shape: of an image, (C, H, W).
        channels: of the feature maps, from the image's side to the latent's.
    """

    def __init__(self, latent_dim: int, shape: Sequence[int], *, channels: Sequence[int]) -> None:
        super().__init__()
        self.margins = _margins(shape[1], len(channels))
        side, doublings = padded_side(shape[1], len(channels)), 0
        while side // 2 >= _LEAST_SIDE and doublings < len(channels) - 1:
            side, doublings = side // 2, doublings + 1
        widths = list(reversed(channels))[: doublings + 1]
        layers: list[nn.Module] = [
            nn.Linear(latent_dim, widths[0] * side**2),
            nn.Unflatten(1, (widths[0], side, side)),
            batch_norm(widths[0], epsilon=_EPSILON),
            nn.ReLU(inplace=True),
        ]
        for i, o in pairwise(widths):
            convolution = nn.ConvTranspose2d(i, o, _KERNEL, stride=2, padding=1, bias=False)
            layers += [convolution, batch_norm(o, epsilon=_EPSILON), nn.ReLU(inplace=True)]
        # With an even kernel a map grows by one pixel, which is cut off with the margins.
        last = nn.ConvTranspose2d(widths[-1], shape[0], _KERNEL, padding=1)
        self.net = nn.Sequential(*layers, last, nn.Sigmoid())

    def forward(self, z: Tensor) -> Tensor:
        """z [B, L] -> x [B, C, H, W]."""
        x: Tensor = self.net(z).to(z.dtype)
        left, right, top, bottom = self.margins
        return functional.pad(x, [-left, -right - 1, -top, -bottom - 1])


def padded_side(side: int, halvings: int) -> int:
    """The least number of pixels, `side` or more, that can be halved so often."""
    unit = 2**halvings
    return -(-side // unit) * unit


def _margins(side: int, halvings: int) -> list[int]:
    """Left, right, top and bottom."""
    missing = padded_side(side, halvings) - side
    return [missing // 2, missing - missing // 2] * 2
