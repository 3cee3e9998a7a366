"""Reads a set of images as a trial will, and what its images are compared by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from introsearch.data.base import CPU, DataContext
from introsearch.data.catalog import IMAGE_SETS
from introsearch.data.folder import data_folder
from introsearch.data.image_files import download_images
from introsearch.extensions import resolve
from introsearch.metrics.features import download_inception, load_inception
from introsearch.registry import DATASETS


def prepare_images(
    name: str,
    settings: Mapping[str, Any],
    *,
    inception: bool,
    download: bool,
    notify: Callable[[str], None],
) -> None:
    """Read a data set once.

    Args:
        name: of the data set.
        settings: of the trainer, those that a data set is opened with.
        inception: whether images are compared by Inception's features.
        download: fetch what is not in the data folder.
        notify: is told of downloads.

    Raises:
        ConfigError: the data or Inception's weights are missing or damaged.
    """
    if download and name in DATASETS and name in IMAGE_SETS:
        notify(f"Downloading {name} into {data_folder()}, unless it is there.")
        download_images(name, data_folder())
    if download and inception:
        notify(f"Downloading the weights of Inception into {data_folder()}, unless they are there.")
        download_inception()
    resolve("dataset", name).open(DataContext(device=CPU, **settings))
    if inception:
        load_inception()
