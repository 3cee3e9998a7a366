"""Reads the files of image data sets into arrays of bytes, and refuses damaged ones."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from introsearch.data.catalog import IMAGE_SETS, ImageSet
from introsearch.errors import ConfigError

Bytes = NDArray[np.uint8]
Labels = NDArray[np.int64]
_IDX_BYTES = 8  # type code of unsigned bytes
_DIGITS_TEST = 360


class RawSplit(NamedTuple):
    """`images` [N, C, H, W] and their `labels` [N]."""

    images: Bytes
    labels: Labels


class RawImages(NamedTuple):
    """Both splits of a data set."""

    train: RawSplit
    test: RawSplit


def read_images(name: str, folder: Path) -> RawImages:
    """Read a published data set.

    Args:
        name: a key of `catalog.IMAGE_SETS`.
        folder: the data folder; the files lie in it as torchvision lays them out.

    Raises:
        ConfigError: a file is missing, truncated or not what it should be.
    """
    known = IMAGE_SETS[name]
    if not known.files:
        return _read_digits()
    _require_files(name, known, folder)
    if known.files[0].endswith("ubyte"):
        return RawImages(*(_read_idx_split(known, folder, part) for part in ("train", "t10k")))
    return RawImages(*(_read_with_torchvision(name, known, folder, p) for p in ("train", "test")))


def download_images(name: str, folder: Path) -> None:
    """Fetch the files of a published data set from the internet, unless they are there.

    Raises:
        ConfigError: it cannot be fetched.
    """
    known = IMAGE_SETS[name]
    if not _missing(known, folder):
        return
    try:
        for options in _torchvision_splits(known).values():
            _torchvision_class(known)(folder, download=True, **options)
    except (OSError, RuntimeError) as error:
        raise ConfigError(
            f"{name} cannot be downloaded: {_first_line(error)}", hint=_where(name, known, folder)
        ) from error


def _missing(known: ImageSet, folder: Path) -> list[str]:
    where = folder / known.folder
    return [
        file
        for file in known.files
        if not (where / file).is_file() and not (where / f"{file}.gz").is_file()
    ]


def _require_files(name: str, known: ImageSet, folder: Path) -> None:
    if missing := _missing(known, folder):
        raise ConfigError(
            f"{name} is not in the data folder: there is no {folder / known.folder / missing[0]}",
            hint=_where(name, known, folder),
        )


def _where(name: str, known: ImageSet, folder: Path) -> str:
    return (
        f"put {', '.join(known.files)} into {folder / known.folder}, name another data folder with "
        f"--data-dir or INTROSEARCH_DATA, or let {name} be downloaded with --download"
    )


def _read_digits() -> RawImages:
    """The 8x8 digits that come with scikit-learn, 0 to 16, in a fixed random order."""
    from sklearn.datasets import load_digits  # late: takes seconds, and only this set needs it

    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(images))
    pixels = np.rint(images[order] * (255 / 16)).astype(np.uint8).reshape(-1, 1, 8, 8)
    split = RawSplit(pixels, labels[order].astype(np.int64))
    return RawImages(*(RawSplit(a, b) for a, b in _halves(split, len(order) - _DIGITS_TEST)))


def _halves(split: RawSplit, at: int) -> list[tuple[Bytes, Labels]]:
    return [(split.images[:at], split.labels[:at]), (split.images[at:], split.labels[at:])]


# -- MNIST's format -----------------------------------------------------------------------------


def _read_idx_split(known: ImageSet, folder: Path, part: str) -> RawSplit:
    """One split of any number of images; the header says how many."""
    where = folder / known.folder
    paths = where / f"{part}-images-idx3-ubyte", where / f"{part}-labels-idx1-ubyte"
    images, labels = _read_idx(paths[0], dims=3), _read_idx(paths[1], dims=1)
    if images.shape[1:] != (known.size, known.size):
        raise _damaged(
            paths[0],
            f"holds images of {images.shape[1]}x{images.shape[2]} pixels, not "
            f"{known.size}x{known.size}",
        )
    if len(images) != len(labels):
        raise _damaged(
            paths[1], f"has {len(labels):,} labels for {len(images):,} images of {paths[0].name}"
        )
    if labels.size and labels.max() >= known.classes:
        raise _damaged(paths[1], f"has a label {labels.max()}; the highest is {known.classes - 1}")
    return RawSplit(images[:, None], labels.astype(np.int64))


def _read_idx(path: Path, *, dims: int) -> Bytes:
    """An array of bytes in the idx format, whose header gives its shape."""
    content = _content(path)
    header = 4 * (1 + dims)
    if len(content) < header or content[:4] != bytes([0, 0, _IDX_BYTES, dims]):
        raise _damaged(path, f"is no idx file of bytes in {dims} dimensions")
    shape = tuple(int(n) for n in np.frombuffer(content, ">u4", count=dims, offset=4))
    expected = header + math.prod(shape)
    if len(content) != expected:
        fault = "is truncated" if len(content) < expected else "is too long"
        raise _damaged(
            path, f"{fault}: {len(content):,} bytes where its header announces {expected:,}"
        )
    if not shape[0]:
        raise _damaged(path, "is empty")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def _content(path: Path) -> bytes:
    try:
        if path.is_file():
            return path.read_bytes()
        with gzip.open(f"{path}.gz") as file:
            return file.read()
    except (OSError, EOFError, zlib.error) as error:
        raise _damaged(path, f"cannot be read: {_first_line(error)}") from error


def _damaged(path: Path, fault: str) -> ConfigError:
    return ConfigError(f"{path} {fault}", hint="fetch the file again")


# -- formats that torchvision reads -------------------------------------------------------------


def _read_with_torchvision(name: str, known: ImageSet, folder: Path, part: str) -> RawSplit:
    options = _torchvision_splits(known)[part]
    try:
        data = _torchvision_class(known)(folder, **options)
    except (OSError, RuntimeError, ValueError, EOFError, KeyError) as error:
        raise ConfigError(
            f"the {part} files of {name} in {folder / known.folder} are damaged: they are not the "
            "published ones",
            hint=f"delete them and {_where(name, known, folder)}",
        ) from error
    images: Any = data.data
    if known.torchvision == "CIFAR10":  # channels last
        return RawSplit(images.transpose(0, 3, 1, 2).copy(), np.asarray(data.targets, np.int64))
    return RawSplit(np.ascontiguousarray(images), np.asarray(data.labels, np.int64))


def _torchvision_class(known: ImageSet) -> Any:
    from introsearch.data.compat import import_torchvision  # late: other files need no torch

    return getattr(import_torchvision().datasets, known.torchvision)


def _torchvision_splits(known: ImageSet) -> dict[str, dict[str, Any]]:
    """The arguments that choose each split."""
    if known.torchvision == "SVHN":
        return {part: {"split": part} for part in ("train", "test")}
    return {"train": {"train": True}, "test": {"train": False}}


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0][:200] or type(error).__name__
