"""The residual convolutional networks of the image benchmark (prior-learning paper, section 4).

Inside an autocast they give back the number format of their input, so that losses keep it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

from introsearch.nets.batch_norm import batch_norm
from introsearch.nets.mlp import Posterior

NEGATIVE_SLOPE = 0.2


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions, with batch normalisation or not, added to the (projected) input."""

    def __init__(self, inputs: int, outputs: int, *, normalised: bool = True) -> None:
        super().__init__()
        self.project = (
            nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1, bias=False)
        )
        self.net = nn.Sequential(
            *_convolution(inputs, outputs, 3, normalised=normalised),
            nn.LeakyReLU(NEGATIVE_SLOPE, inplace=True),
            *_convolution(outputs, outputs, 3, normalised=normalised),
        )

    def forward(self, x: Tensor) -> Tensor:
        """x [B, inputs, H, W] -> [B, outputs, H, W]. One map is kept for the backward pass."""
        y: Tensor = self.net(x)
        return functional.leaky_relu_(y.add_(self.project(x)), NEGATIVE_SLOPE)


class ConvEncoder(nn.Module):
    """q(z|x) for square images, halved in size once per entry of `channels`.

    Args:
        shape: of an image, (C, H, W).
        latent_dim: L.
        channels: of the feature maps, from the image's side to the latent's.
    """

    def __init__(self, shape: Sequence[int], latent_dim: int, *, channels: Sequence[int]) -> None:
        super().__init__()
        self.net = image_features(shape, channels)
        self.head = nn.Linear(math.prod(feature_shape(shape, channels)), 2 * latent_dim)

    def forward(self, x: Tensor) -> Posterior:
        """x [B, C, H, W] -> mu, logvar [B, L]."""
        mu, logvar = self.head(self.net(x)).to(x.dtype).chunk(2, dim=-1)
        return Posterior(mu, logvar)


class ConvDecoder(nn.Module):
    """The mean of p(x|z) for square images; its output is not confined to [0, 1].

    Args:
        latent_dim: L.
        shape: of an image, (C, H, W).
        channels: of the feature maps, from the image's side to the latent's.
        normalised: with batch normalisation.
    """

    def __init__(
        self,
        latent_dim: int,
        shape: Sequence[int],
        *,
        channels: Sequence[int],
        normalised: bool = True,
    ) -> None:
        super().__init__()
        features = feature_shape(shape, channels)
        layers: list[nn.Module] = [
            nn.Linear(latent_dim, math.prod(features)),
            nn.ReLU(inplace=True),
            nn.Unflatten(1, features),
        ]
        for i, o in pairwise([channels[-1], *reversed(channels)]):
            layers += [
                ResidualBlock(i, o, normalised=normalised),
                nn.Upsample(scale_factor=2, mode="nearest"),
            ]
        first = channels[0]
        self.net = nn.Sequential(
            *layers,
            ResidualBlock(first, first, normalised=normalised),
            nn.Conv2d(first, shape[0], 5, padding=2),
        )

    def forward(self, z: Tensor) -> Tensor:
        """z [B, L] -> x [B, C, H, W]."""
        x: Tensor = self.net(z).to(z.dtype)
        return x


def image_features(
    shape: Sequence[int], channels: Sequence[int], *, normalised: bool = True
) -> nn.Sequential:
    """From images [B, C, H, W] to flat feature maps, [B, prod(feature_shape(shape, channels))].

    Args:
        shape: of an image, (C, H, W).
        channels: of the feature maps; each entry halves the image.
        normalised: with batch normalisation.
    """
    layers: list[nn.Module] = [
        *_convolution(shape[0], channels[0], 5, normalised=normalised),
        nn.LeakyReLU(NEGATIVE_SLOPE, inplace=True),
        nn.AvgPool2d(2),
    ]
    for i, o in pairwise(channels):
        layers += [ResidualBlock(i, o, normalised=normalised), nn.AvgPool2d(2)]
    last = channels[-1]
    return nn.Sequential(*layers, ResidualBlock(last, last, normalised=normalised), nn.Flatten())


def _convolution(inputs: int, outputs: int, size: int, *, normalised: bool) -> list[nn.Module]:
    """Of `size` x `size` pixels; normalisation makes a bias superfluous."""
    layer = nn.Conv2d(inputs, outputs, size, padding=size // 2, bias=not normalised)
    return [layer, batch_norm(outputs)] if normalised else [layer]


def feature_shape(shape: Sequence[int], channels: Sequence[int]) -> tuple[int, int, int]:
    """(channels, height, width) of the smallest feature maps.

    Raises:
        ValueError: the image cannot be halved that often.
    """
    factor = 2 ** len(channels)
    if shape[1] % factor or shape[2] % factor:
        raise ValueError(f"{shape[1]}x{shape[2]} pixels cannot be halved {len(channels)} times")
    return channels[-1], shape[1] // factor, shape[2] // factor
