"""Convolutional maps of rows [y, x] that hold the pixels of images, in float32 within."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from introsearch.nets.conv import ConvDecoder, feature_shape, image_features


class ImageLayout(NamedTuple):
    """How rows hold images.

    Attributes:
        shape: of an image, (C, H, W).
        places: [C * H * W] the column of each pixel; further columns, if any, come after these.
    """

    shape: tuple[int, ...]
    places: Tensor

    def images(self, rows: Tensor) -> Tensor:
        """Rows [B, D] as images [B, C, H, W]."""
        return rows[:, self.places].unflatten(1, self.shape)


class RowEncoder(nn.Module):
    """Means (and log-variances) from rows; columns that are no pixels enter beside feature maps.

    Args:
        layout: of the rows.
        row_dims: D, of a row.
        outputs: O, as many as wanted.
        channels: of the feature maps; each entry halves the image.
    """

    def __init__(
        self, layout: ImageLayout, row_dims: int, outputs: int, *, channels: Sequence[int]
    ) -> None:
        super().__init__()
        self.layout = layout
        self.num_pixels = math.prod(layout.shape)
        self.net = image_features(layout.shape, channels, normalised=False)
        features = math.prod(feature_shape(layout.shape, channels))
        self.head = nn.Linear(features + row_dims - self.num_pixels, outputs)

    def forward(self, rows: Tensor) -> Tensor:
        """rows [B, D] -> [B, O]."""
        rows32 = rows.float()
        features = self.net(self.layout.images(rows32))
        made: Tensor = self.head(torch.cat([features, rows32[:, self.num_pixels :]], dim=1))
        return made.to(rows.dtype)


class RowDecoder(nn.Module):
    """The pixels of y from z and x.

    Args:
        layout: of the rows.
        inputs: dimensions of z and x together.
        dims: of y, the first columns of a row.
        channels: of the feature maps, from the image's side to the latent's.
    """

    def __init__(
        self, layout: ImageLayout, inputs: int, dims: int, *, channels: Sequence[int]
    ) -> None:
        super().__init__()
        self.net = ConvDecoder(inputs, layout.shape, channels=channels, normalised=False)
        self.wanted = layout.places.argsort()[:dims]

    def forward(self, inputs: Tensor) -> Tensor:
        """[z, x] [B, inputs] -> y [B, dims]."""
        images: Tensor = self.net(inputs.float())
        return images.flatten(1)[:, self.wanted].to(inputs.dtype)
