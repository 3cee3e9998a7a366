"""Image data sets, held on the device as bytes.

Open one with `Digits.open(DataContext(device=torch.device("cpu")))`, or `MNIST`, `FashionMNIST`,
`CIFAR10`, `SVHN`, `ImageFolder`. All are an `ImageData`:

- `data.train` and `data.test` are each a `Split`: `images` uint8 [N, C, H, W] and `labels` int64
  [N], both on the device;
- `to_float(bytes)` gives what networks see: float32 in [0, 1];
- `data.sample(n, generator)` draws different train images as floats, [n, C, H, W];
- `data.shape` is (C, H, W), `data.dims` is C * H * W, `data.num_classes` counts labels;
- `data.fingerprint` identifies the content, whatever file it came from.

Files are searched in `folder.data_folder()`: the environment variable INTROSEARCH_DATA, which the
option --data-dir sets.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import torch
from torch import Generator, Tensor

from introsearch.data.base import Data, DataContext
from introsearch.data.folder import data_folder
from introsearch.data.image_files import RawImages, RawSplit, read_images
from introsearch.data.image_folder import read_folder
from introsearch.errors import ConfigError
from introsearch.sample_sizes import sample_size


@dataclass(frozen=True)
class Split:
    """`images` uint8 [N, C, H, W] and `labels` int64 [N], on one device."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.images)


def to_float(images: Tensor) -> Tensor:
    """Bytes as float32 in [0, 1]."""
    return images.float().div_(255)


def to_bytes(images: Tensor) -> Tensor:
    """Floats clipped to [0, 1] and quantised to 8 bits: what is judged, and what is seen."""
    return images.clamp(0, 1).mul(255).round().to(torch.uint8)


class ImageData(Data):
    """A train and a test split of labelled images; subclasses say where they come from.

    Args:
        raw: both splits.
        device: where to hold them.
        train_images: how many images of the train split to use, the first ones; None is all.

    Raises:
        ConfigError: the train split has fewer images.
    """

    kind = "images"

    def __init__(
        self, raw: RawImages, *, device: torch.device, train_images: int | None = None
    ) -> None:
        if train_images is not None and train_images > len(raw.train.images):
            raise ConfigError(
                f"{train_images:,} train images are asked for, and there are "
                f"{len(raw.train.images):,}",
                key="train_images",
                hint=f"set train_images: {len(raw.train.images)}",
            )
        used = _first(raw.train, train_images)
        self.num_classes = int(max(used.labels.max(), raw.test.labels.max())) + 1
        train, test = _few(used), _few(raw.test)
        self.train, self.test = _split(train, device), _split(test, device)
        self.shape = tuple(self.train.images.shape[1:])
        self.fingerprint = _fingerprint(RawImages(train, test))

    @classmethod
    def open(cls, context: DataContext) -> Self:
        return cls(cls.read(context), device=context.device, train_images=context.train_images)

    @classmethod
    def read(cls, context: DataContext) -> RawImages:
        """Both splits as arrays of bytes.

        Raises:
            ConfigError: files are missing or damaged.
        """
        raise NotImplementedError

    def sample(self, n: int, generator: Generator) -> Tensor:
        """Draw `n` different train images, [n, C, H, W] in [0, 1].

        Raises:
            ConfigError: there are fewer.
        """
        if n > len(self.train):
            raise ConfigError(
                f"{n:,} different images are asked for, and the train split has "
                f"{len(self.train):,}",
                hint="fewer samples, components or a smaller batch, or more train_images",
            )
        chosen = torch.randperm(len(self.train), generator=generator, device=generator.device)[:n]
        return to_float(self.train.images[chosen])


class PublishedImages(ImageData):
    """One of `catalog.IMAGE_SETS`."""

    name: ClassVar[str]

    @classmethod
    def read(cls, context: DataContext) -> RawImages:
        return read_images(cls.name, data_folder())


class Digits(PublishedImages):
    """scikit-learn's 1,797 handwritten digits of 8x8 pixels; needs no file."""

    name = "digits"


class MNIST(PublishedImages):
    """Handwritten digits of 28x28 pixels."""

    name = "mnist"


class FashionMNIST(PublishedImages):
    """Articles of clothing, 28x28 pixels."""

    name = "fashion_mnist"


class CIFAR10(PublishedImages):
    """Animals and vehicles, 32x32 pixels in colour."""

    name = "cifar10"


class SVHN(PublishedImages):
    """House numbers, 32x32 pixels in colour."""

    name = "svhn"


class ImageFolder(ImageData):
    """A folder of one's own images (`image_folder.read_folder`)."""

    @classmethod
    def read(cls, context: DataContext) -> RawImages:
        if context.image_folder is None or context.image_size is None:
            raise ConfigError(
                "an image folder needs its path and the size of its images",
                key="image_folder",
                hint="set image_folder: my/photos and image_size: 32",
            )
        channels = 3 if context.image_channels is None else context.image_channels
        folder = data_folder() / context.image_folder
        return read_folder(folder, size=context.image_size, channels=channels)


def _first(raw: RawSplit, n: int | None) -> RawSplit:
    """The first `n` images, or all of them."""
    return RawSplit(raw.images[:n], raw.labels[:n])


def _few(raw: RawSplit) -> RawSplit:
    """All images; where few are enough, some from all over, since folders are sorted by class."""
    n = sample_size(len(raw.images))
    if n == len(raw.images):
        return raw
    chosen = np.linspace(0, len(raw.images) - 1, n).astype(int)
    return RawSplit(raw.images[chosen], raw.labels[chosen])


def _split(raw: RawSplit, device: torch.device) -> Split:
    return Split(*(torch.tensor(part).to(device) for part in raw))


def _fingerprint(raw: RawImages) -> str:
    digest = hashlib.sha256()
    for part in (*raw.train, *raw.test):
        digest.update(str(part.shape).encode())
        digest.update(part.tobytes())
    return digest.hexdigest()[:16]
