"""Reads a folder of one's own images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from introsearch.data.image_files import Bytes, RawImages, RawSplit
from introsearch.errors import ConfigError

_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".pgm", ".ppm"})
_TEST_EVERY = 5
_MODES = {1: "L", 3: "RGB"}
_WORDS = {1: "grey", 3: "colour"}


def read_folder(folder: Path, *, size: int, channels: int) -> RawImages:
    """Read all images below a folder.

    Either ``train/`` and ``test/`` are the splits, or every fifth image of each class, in the order
    of names, is a test image. Within a split, folders are classes; without any there is one class.

    Args:
        folder: of the images.
        size: height and width that all of them must have, in pixels.
        channels: 1 (grey) or 3 (colour), which all of them must be.

    Raises:
        ConfigError: no images, or one that is damaged or of another size or mode.
    """
    if not folder.is_dir():
        raise ConfigError(
            f"there is no folder {folder}", hint="it is absolute, or below --data-dir"
        )
    if (folder / "train").is_dir() and (folder / "test").is_dir():
        classes = _classes(folder / "train")
        parts = [_files(folder / part, classes) for part in ("train", "test")]
    else:
        parts = _divided(_files(folder, _classes(folder)))
    for name, files in zip(("train", "test"), parts, strict=True):
        if not files:
            raise ConfigError(
                f"{folder} has no images to {name} with",
                hint=f"images end in {', '.join(sorted(_SUFFIXES))}; at least {_TEST_EVERY} of "
                "them",
            )
    return RawImages(*(_read_split(files, size=size, channels=channels) for files in parts))


def _classes(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_dir()) or [""]


def _files(folder: Path, classes: Sequence[str]) -> list[tuple[Path, int]]:
    """All images of a split with their labels."""
    return [
        (path, label)
        for label, name in enumerate(classes)
        if (folder / name).is_dir()
        for path in sorted((folder / name).rglob("*"))
        if path.suffix.lower() in _SUFFIXES
    ]


def _divided(files: list[tuple[Path, int]]) -> list[list[tuple[Path, int]]]:
    train, test = [], []
    for label in dict.fromkeys(label for _, label in files):
        of_class = [file for file in files if file[1] == label]
        test += of_class[_TEST_EVERY - 1 :: _TEST_EVERY]
        train += [file for i, file in enumerate(of_class) if i % _TEST_EVERY != _TEST_EVERY - 1]
    return [train, test]


def _read_split(files: list[tuple[Path, int]], *, size: int, channels: int) -> RawSplit:
    images = np.stack([_read_image(path, size=size, channels=channels) for path, _ in files])
    return RawSplit(images, np.asarray([label for _, label in files], np.int64))


def _read_image(path: Path, *, size: int, channels: int) -> Bytes:
    try:
        with Image.open(path) as image:
            pixels, mode = np.asarray(image), image.mode
    except (OSError, SyntaxError, ValueError) as error:
        raise ConfigError(f"{path} is damaged: {error}", hint="remove or replace it") from error
    if mode != _MODES[channels]:
        found = next((_WORDS[c] for c, m in _MODES.items() if m == mode), f"of mode {mode}")
        raise ConfigError(
            f"{path} is {found} where {_WORDS[channels]} is expected",
            key="image_channels",
            hint="image_channels: 1 is for 8-bit grey images, 3 for RGB ones; convert all others",
        )
    if pixels.shape[:2] != (size, size):
        raise ConfigError(
            f"{path} has {pixels.shape[1]}x{pixels.shape[0]} pixels, not {size}x{size}",
            key="image_size",
            hint="all images must have image_size: crop or resize them first",
        )
    return np.ascontiguousarray(pixels.reshape(size, size, channels).transpose(2, 0, 1))
