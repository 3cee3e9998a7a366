"""The data set that settings name, ready to be drawn from."""

from __future__ import annotations

import torch

from introsearch.data.base import Data, DataContext
from introsearch.extensions import resolve
from introsearch.settings.images import IMAGE_DATA
from introsearch.settings.vae import ModelSettings


def open_dataset(settings: ModelSettings, *, device: torch.device) -> Data:
    """The data set of a model.

    Args:
        settings: of the model.
        device: where the data is held.

    Raises:
        ConfigError: its files are missing or damaged.
    """
    which = {name: getattr(settings, name) for name in IMAGE_DATA}
    context = DataContext(device=device, **which)
    data: Data = resolve("dataset", settings.dataset).open(context)
    return data
