"""Batches of images, each image once per epoch."""

from __future__ import annotations

import torch
from torch import Tensor

from introsearch.data.images import ImageData, to_float
from introsearch.training.streams import make_stream


class EpochBatches:
    """Cuts shuffled epochs of the train split into batches; a last incomplete one is left out.

    An iteration's batch follows from the seed and the iteration alone: there is no state to keep.

    Args:
        data: on the device of the batches.
        batch_size: B.
    """

    def __init__(self, data: ImageData, *, batch_size: int) -> None:
        self.images = data.train.images
        self.batch_size = batch_size
        self.epoch_length = len(self.images) // batch_size
        self._shuffled = (-1, -1)  # epoch and seed of the order at hand
        self._order = torch.empty(0)

    def at(self, iteration: int, *, seed: int) -> Tensor:
        """The batch of an iteration of the trial with that seed, [B, C, H, W] in [0, 1]."""
        epoch, index = divmod(iteration, self.epoch_length)
        if (epoch, seed) != self._shuffled:
            stream = make_stream(seed, f"epoch {epoch}", device=self.images.device)
            self._order = torch.randperm(
                len(self.images), generator=stream, device=self.images.device
            )
            self._shuffled = epoch, seed
        start = index * self.batch_size
        return to_float(self.images[self._order[start : start + self.batch_size]])
