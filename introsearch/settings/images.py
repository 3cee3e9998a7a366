"""What the settings of all trainers of images share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from introsearch.errors import ConfigError

# What says, beside its name, which images a data set has: the same fields as `DataContext` has.
IMAGE_DATA = ("train_images", "image_folder", "image_size", "image_channels")


def halvings_fault(
    channels: Sequence[int], *, size: int | None, padded: bool = False
) -> Iterator[ConfigError]:
    """The fault of feature maps that would halve images of `size` pixels too often, if it is one.

    Args:
        channels: of the feature maps, one per halving.
        size: height and width of an image; None is not known.
        padded: whether images are padded to what can be halved, by less than their own size.
    """
    halvings = len(channels)
    if halvings == 0:
        yield ConfigError("is an empty list", key="channels", hint="e.g. channels: [64, 128]")
        return
    if size is None:
        return
    possible = max(n for n in range(12) if (2**n <= 2 * size if padded else size % 2**n == 0))
    if halvings > possible:
        yield ConfigError(
            f"has {halvings} entries, but {size}x{size} pixels can be halved {possible} times only",
            key="channels",
            hint=f"at most {possible} entries" if possible else "the size of images must be even",
        )
