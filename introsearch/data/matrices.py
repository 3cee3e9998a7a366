"""Data as a matrix with a row per sample, and the condition that a conditional model is given."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from introsearch.data.catalog import IMAGE_SETS
from introsearch.data.folder import data_folder
from introsearch.data.image_files import Labels, download_images, read_images
from introsearch.data.quadrants import split_quadrants
from introsearch.errors import ConfigError, nearest_hint
from introsearch.extensions import resolve
from introsearch.registry import DATASETS

_TOY_SAMPLES = 10_000
QUADRANT, LABEL = "quadrant", "label"

Matrix = NDArray[np.floating]


class Matrices(NamedTuple):
    """`data`, and the `condition` that goes with it; a row per sample."""

    data: Matrix
    condition: Matrix | None = None


def read_matrices(
    data: str, *, condition: str | None, label: int | None, is_conditional: bool, download: bool
) -> Matrices:
    """Read data, and the condition if there is one.

    Args:
        data: the name of a data set, or a .npy file [N, ...].
        condition: a .npy file with a row per sample; or, of a set of images, `QUADRANT` (the bottom
            left one, the rest being the data) or `LABEL` (a dimension each).
        label: only images with this label.
        is_conditional: whether images have the condition `QUADRANT` unless another is named.
        download: fetch from the internet what is not in the data folder.

    Raises:
        ConfigError: there are no such data, or they have no such condition or label.
    """
    if data.endswith(".npy"):
        if label is not None:
            raise ConfigError("a .npy file has no labels", key="label")
        samples = _load_npy(data, key="data")
        if condition in (QUADRANT, LABEL):
            message = f"only images of a data set have a {condition}"
            raise ConfigError(message, key="condition", hint="name a .npy file")
        return Matrices(samples, _condition_file(condition))
    if data not in IMAGE_SETS:
        return Matrices(_points(data, label=label), _condition_file(condition))
    if download:
        download_images(data, data_folder())
    if is_conditional and condition is None:
        condition = QUADRANT
    return _images(data, condition=condition, label=label)


def _points(name: str, *, label: int | None) -> Matrix:
    if name not in DATASETS and ":" not in name:
        hint = f"{nearest_hint(name, [*DATASETS, *IMAGE_SETS])}, or a file that ends in .npy"
        raise ConfigError(f"unknown data set {name!r}", key="data", hint=hint)
    if label is not None:
        raise ConfigError(f"{name} has no labels", key="label")
    import torch  # late: neither files nor images need it

    points: Matrix = (
        resolve("dataset", name)().sample(_TOY_SAMPLES, torch.Generator().manual_seed(0)).numpy()
    )
    return points


def _images(name: str, *, condition: str | None, label: int | None) -> Matrices:
    """Train images in [0, 1]."""
    images, labels = read_images(name, data_folder()).train
    if label is not None:
        images = images[labels == label]
        if not len(images):
            message = f"no image of {name} has the label {label}"
            raise ConfigError(message, key="label", hint=f"0 to {int(labels.max())}")
    if condition == LABEL:
        return Matrices(images / 255.0, _one_hot(labels, chosen=label))
    if condition == QUADRANT:
        return Matrices(*split_quadrants(images / 255.0))
    return Matrices(images / 255.0, _condition_file(condition))


def _one_hot(labels: Labels, *, chosen: int | None) -> Matrix:
    """[N, classes] which label each image has."""
    if chosen is not None:
        raise ConfigError(
            "the label tells nothing where all images have one",
            key="condition",
            hint="leave out --label, or use --condition quadrant",
        )
    return np.eye(int(labels.max()) + 1)[labels]


def _condition_file(path: str | None) -> Matrix | None:
    return None if path is None else _load_npy(path, key="condition")


def _load_npy(path: str, *, key: str) -> Matrix:
    try:
        array: Matrix = np.load(path, allow_pickle=False)
    except FileNotFoundError as error:
        raise ConfigError(f"there is no file {path}", key=key) from error
    except (OSError, ValueError, EOFError) as error:
        raise ConfigError(
            f"{path} is no array of numbers: {error}", key=key, hint="write it with numpy.save"
        ) from error
    return array
