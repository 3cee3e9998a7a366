"""Sees to it, before any trial starts, that the image data of a study are there and sound."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from introsearch.errors import ConfigError
from introsearch.extensions import data_kind
from introsearch.settings.images import IMAGE_DATA
from introsearch.study.search.expand import Expansion

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
        ConfigError: data or the weights of a feature extractor cannot be had; for all of them.
    """
    wanted: dict[tuple[Any, ...], dict[str, Any]] = {}
    for configuration in expansion.configurations:
        settings = configuration.settings
        if "dataset" in settings and data_kind(settings["dataset"]) == "images":
            chosen = {name: settings.get(name) for name in ("dataset", *IMAGE_DATA, _EXTRACTOR)}
            wanted.setdefault(tuple(chosen.values()), chosen)
    if not wanted:
        return
    # Late: it needs torch, which submitting a job of a study without images does not.
    from introsearch.execution.preflight.images import prepare_images

    faults: list[ConfigError] = []
    for chosen in wanted.values():
        try:
            prepare_images(
                chosen["dataset"],
                {name: chosen[name] for name in IMAGE_DATA},
                inception=chosen[_EXTRACTOR] == "inception",
                download=download,
                notify=notify,
            )
        except ConfigError as error:
            faults.append(error)
    if faults:
        raise ConfigError.of(faults)
