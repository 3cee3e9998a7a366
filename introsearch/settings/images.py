"""Which settings mean something for which data set. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from introsearch.errors import ConfigError
from introsearch.extensions import data_kind

if TYPE_CHECKING:
    from introsearch.settings.vae import ModelSettings

# What says, beside its name, which images a data set has: the same fields as `DataContext` has.
IMAGE_DATA = ("train_images", "image_folder", "image_size", "image_channels")
_FOLDER = IMAGE_DATA[1:]
_EPOCHS = ("epochs", "warmup_epochs", "handover_epochs")
_NETWORKS = ("networks", "channels", "channels_last")
_IMAGES = (*IMAGE_DATA, *_NETWORKS, "feature_extractor", "num_samples", *_EPOCHS)
_POINTS = ("hidden_units",)


def check_data_settings(settings: ModelSettings) -> None:
    """Refuse given settings that do not apply to the data set.

    Raises:
        ConfigError: its `key` is the setting.
    """
    dataset, kind = settings.dataset, data_kind(settings.dataset)
    for name in _POINTS if kind == "images" else _IMAGES:
        if getattr(settings, name, None) is not None:
            other = "points" if kind == "images" else "images"
            raise ConfigError(
                f"is for {other}, and {dataset} has none", key=name, hint="leave it out"
            )
    if kind != "images":
        return
    for name in _FOLDER:
        given = getattr(settings, name) is not None
        if given and dataset != "image_folder":
            raise ConfigError(
                f"is for dataset: image_folder, not {dataset}", key=name, hint="leave it out"
            )
        if not given and dataset == "image_folder":
            raise ConfigError(
                "is missing",
                key=name,
                hint="e.g. image_folder: my/photos, image_size: 32, image_channels: 3",
            )
    if settings.image_channels not in (None, 1, 3):
        raise ConfigError(
            f"must be 1 (grey) or 3 (colour), not {settings.image_channels}", key="image_channels"
        )


def check_image_settings(settings: ModelSettings) -> None:
    """Refuse sizes that contradict each other, once all are known.

    Raises:
        ConfigError: its `key` is the setting.
    """
    assert settings.channels is not None
    size = settings.image_size or settings.protocol.image_size
    check_halvings(settings.channels, size=size, padded=settings.networks == "strided")
    count = settings.train_images
    if count is not None and settings.batch_size > count:
        raise ConfigError(
            f"{settings.batch_size:,} is more than the {count:,} train images", key="batch_size"
        )
    if count is not None and (settings.num_samples or 0) > count:
        raise ConfigError(
            f"{settings.num_samples:,} is more than the {count:,} train images, with as many of "
            "which generated ones are compared",
            key="num_samples",
            hint=f"at most {count}",
        )


def check_halvings(channels: Sequence[int], *, size: int | None, padded: bool = False) -> None:
    """Refuse feature maps that would halve images of `size` pixels too often; None is not known.

    Args:
        channels: of the feature maps, one per halving.
        size: height and width of an image.
        padded: whether images are padded to what can be halved, by less than their own size.

    Raises:
        ConfigError: its `key` is ``channels``.
    """
    halvings = len(channels)
    if halvings == 0:
        raise ConfigError("is an empty list", key="channels", hint="e.g. channels: [64, 128]")
    if size is None:
        return
    possible = max(n for n in range(12) if (2**n <= 2 * size if padded else size % 2**n == 0))
    if halvings > possible:
        raise ConfigError(
            f"has {halvings} entries, but {size}x{size} pixels can be halved {possible} times only",
            key="channels",
            hint=f"at most {possible} entries" if possible else "the size of images must be even",
        )
