"""Sees to it, before any trial starts, that what a study needs is there and sound."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from introsearch.data.folder import data_folder
from introsearch.extensions import data_kind, resolve
from introsearch.registry import DATASETS
from introsearch.settings.images import IMAGE_DATA
from introsearch.study.model import Study
from introsearch.study.search.expand import Expansion, expand

_EXTRACTOR = "feature_extractor"


def prepare_data(
    expansion: Expansion, *, download: bool, notify: Callable[[str], None] = lambda text: None
) -> None:
    """Read all image data sets of a study once; damaged or missing files end here.

    Args:
        expansion: of the study.
        download: fetch from the internet what is not in the data folder.
        notify: is told of downloads.

    Raises:
        ConfigError: data or the weights of a feature extractor cannot be had.
    """
    wanted: dict[tuple[Any, ...], dict[str, Any]] = {}
    for configuration in expansion.configurations:
        settings = configuration.settings
        if "dataset" in settings and data_kind(settings["dataset"]) == "images":
            chosen = {name: settings.get(name) for name in ("dataset", *IMAGE_DATA, _EXTRACTOR)}
            wanted.setdefault(tuple(chosen.values()), chosen)
    for settings in wanted.values():
        _prepare(settings, download=download, notify=notify)


def prepare_compiler(study: Study) -> None:
    """Try this machine's compiler, if the networks of some trial must be compiled.

    Raises:
        ConfigError: it does not work here.
    """
    if any(c.settings.get("compile") is True for c in expand(study).configurations):
        from introsearch.training.compilation import check_compiler

        check_compiler()


def _prepare(settings: dict[str, Any], *, download: bool, notify: Callable[[str], None]) -> None:
    from introsearch.data.base import CPU, DataContext
    from introsearch.data.catalog import IMAGE_SETS
    from introsearch.data.image_files import download_images
    from introsearch.metrics.features import download_inception, load_inception

    name, inception = settings["dataset"], settings[_EXTRACTOR] == "inception"
    if download and name in DATASETS and name in IMAGE_SETS:
        notify(f"Downloading {name} into {data_folder()}, unless it is there.")
        download_images(name, data_folder())
    if download and inception:
        notify(f"Downloading the weights of Inception into {data_folder()}, unless they are there.")
        download_inception()
    chosen = {key: settings[key] for key in IMAGE_DATA}
    resolve("dataset", name).open(DataContext(device=CPU, **chosen))
    if inception:
        load_inception()
