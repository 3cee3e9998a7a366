"""The data set that settings name, ready to be drawn from."""

from __future__ import annotations

import torch

from introsearch.data.base import Data, DataContext
from introsearch.extensions import resolve
from introsearch.settings.vae import ModelSettings


def open_dataset(settings: ModelSettings, *, device: torch.device) -> Data:
    """The data set of a model.

    Args:
        settings: of the model.
        device: where the data is held.

    Raises:
        ConfigError: its files are missing or damaged.
    """
    context = DataContext(
        device=device,
        train_images=settings.train_images,
        image_folder=settings.image_folder,
        image_size=settings.image_size,
        image_channels=settings.image_channels,
    )
    data: Data = resolve("dataset", settings.dataset).open(context)
    return data
