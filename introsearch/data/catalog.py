"""What is known of the image data sets before any file is read; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageSet:
    """A published set of square images.

    Attributes:
        size: height and width in pixels.
        channels: 1 is grey, 3 is colour.
        train_images: images of the train split.
        classes: number of labels.
        folder: where its files lie below the data folder; empty if it needs none.
        files: their names.
        torchvision: its class there, which downloads it; empty if it needs no download.
    """

    size: int
    channels: int
    train_images: int
    classes: int = 10
    folder: str = ""
    files: tuple[str, ...] = ()
    torchvision: str = ""


_IDX_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
IMAGE_SETS: dict[str, ImageSet] = {
    "digits": ImageSet(size=8, channels=1, train_images=1_437),
    "mnist": ImageSet(
        size=28,
        channels=1,
        train_images=60_000,
        folder="MNIST/raw",
        files=_IDX_FILES,
        torchvision="MNIST",
    ),
    "fashion_mnist": ImageSet(
        size=28,
        channels=1,
        train_images=60_000,
        folder="FashionMNIST/raw",
        files=_IDX_FILES,
        torchvision="FashionMNIST",
    ),
    "cifar10": ImageSet(
        size=32,
        channels=3,
        train_images=50_000,
        folder="cifar-10-batches-py",
        files=(*(f"data_batch_{i}" for i in range(1, 6)), "test_batch", "batches.meta"),
        torchvision="CIFAR10",
    ),
    "svhn": ImageSet(
        size=32,
        channels=3,
        train_images=73_257,
        files=("train_32x32.mat", "test_32x32.mat"),
        torchvision="SVHN",
    ),
}
