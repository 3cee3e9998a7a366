"""The contract of a data set."""

from __future__ import annotations

import math
from typing import ClassVar, NamedTuple, Self

import torch
from torch import Generator, Tensor

CPU = torch.device("cpu")


class DataContext(NamedTuple):
    """What a data set is opened with; most need none of it.

    Attributes:
        device: where the data is held.
        train_images: how many images of the train split to use, the first ones; None is all.
        image_folder: of one's own images, absolute or below the data folder.
        image_size: of one's own images, in pixels.
        image_channels: of one's own images: 1 is grey, 3 is colour.
    """

    device: torch.device
    train_images: int | None = None
    image_folder: str | None = None
    image_size: int | None = None
    image_channels: int | None = None


class Data:
    """Something that batches are drawn from.

    Attributes:
        kind: ``points`` or ``images``, or a word of one's own: which networks and metrics fit.
        shape: of one data point.
    """

    kind: ClassVar[str] = ""
    shape: tuple[int, ...]

    @classmethod
    def open(cls, context: DataContext) -> Self:
        """The data set, ready to be drawn from.

        Raises:
            ConfigError: its files are missing or damaged.
        """
        return cls()

    @property
    def dims(self) -> int:
        """Number of dimensions of a data point (D)."""
        return math.prod(self.shape)

    def sample(self, n: int, generator: Generator) -> Tensor:
        """Draw `n` points, [n, *shape], on the generator's device."""
        raise NotImplementedError
