"""Data as rows [y, x] of what is modelled and of the condition, and their second moment."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from introsearch.data.base import DataContext
from introsearch.data.images import Split
from introsearch.data.quadrants import split_quadrants
from introsearch.errors import ConfigError
from introsearch.extensions import resolve
from introsearch.nets.image_rows import ImageLayout

BLOCK = 1_024  # rows made into numbers at a time
_WHITE = 255


@dataclass(frozen=True)
class Rows:
    """N rows [y, x], x having no dimensions if there is no condition.

    Attributes:
        values: [N, D] in bytes or numbers.
        dims: dimensions of y.
        scale: what values are divided by.
        layout: where the pixels are, of images.
    """

    values: Tensor
    dims: int
    scale: float = 1.0
    layout: ImageLayout | None = None

    def __len__(self) -> int:
        return len(self.values)

    @property
    def condition_dims(self) -> int:
        """Dimensions of x."""
        return self.values.shape[1] - self.dims

    def numbers(self, chosen: Tensor | slice) -> Tensor:
        """Some rows in double precision."""
        return self.values[chosen].double() / self.scale

    def blocks(self, n: int | None = None) -> Iterator[Tensor]:
        """The first `n` rows, or all of them, as numbers, a block at a time."""
        end = len(self) if n is None else min(n, len(self))
        for start in range(0, end, BLOCK):
            yield self.numbers(slice(start, min(start + BLOCK, end)))

    def sample(self, n: int, generator: Generator) -> Tensor:
        """Draw `n` rows with replacement, [n, D]."""
        device = generator.device
        return self.numbers(torch.randint(len(self), (n,), generator=generator, device=device))

    @functools.cached_property
    def second(self) -> Tensor:
        """[D, D] E[v v^T], uncentred."""
        zero = torch.zeros((), device=self.values.device)
        return sum((b.T @ b for b in self.blocks()), zero) / len(self)


class TrainTest(NamedTuple):
    """Rows to train on, and rows of the same kind that are held out."""

    train: Rows
    test: Rows


def image_rows(
    dataset: str,
    *,
    device: torch.device,
    train_images: int | None = None,
    label: int | None = None,
    condition: str | None = None,
) -> TrainTest:
    """The images of a data set, scaled to [0, 1].

    Args:
        dataset: a registered image data set.
        device: where to hold them.
        train_images: the first so many of the train split; None is all.
        label: only images with this label; None is all.
        condition: ``quadrant`` gives the bottom left one, the data being the rest; ``label`` gives
            which label an image has, a dimension each; None gives nothing.

    Raises:
        ConfigError: a split has no image with the label.
    """
    context = DataContext(device=device, train_images=train_images)
    data = resolve("dataset", dataset).open(context)
    splits = [_chosen(split, label) for split in (data.train, data.test)]
    return TrainTest(*(_rows(split, condition, num_classes=data.num_classes) for split in splits))


def _chosen(split: Split, label: int | None) -> Split:
    if label is None:
        return split
    mask = split.labels == label
    if not mask.any():
        known = sorted(set(split.labels.tolist()))
        raise ConfigError(
            f"no image has the label {label}", key="label", hint=f"{known[0]} to {known[-1]}"
        )
    return Split(split.images[mask], split.labels[mask])


def _rows(split: Split, condition: str | None, *, num_classes: int) -> Rows:
    images, shape = split.images, tuple(split.images.shape[1:])
    pixels = torch.arange(images[0].numel(), device=images.device).reshape(1, *shape)
    if condition == "quadrant":
        (rest, quadrant), parts = split_quadrants(images), split_quadrants(pixels)
        layout = ImageLayout(shape, torch.cat(parts, dim=1)[0].argsort())
        return Rows(torch.cat([rest, quadrant], dim=1), rest.shape[1], _WHITE, layout)
    values, layout = images.flatten(1), ImageLayout(shape, pixels.flatten())
    dims = values.shape[1]
    if condition == "label":
        classes = torch.arange(num_classes, device=images.device)
        one_hot = (split.labels[:, None] == classes).to(values.dtype) * _WHITE
        values = torch.cat([values, one_hot], dim=1)
    return Rows(values, dims, _WHITE, layout)


def correlated_rows(n: int, *, dims: int, rho: float, stream: Generator) -> Rows:
    """y ~ N(0, I) and x = rho y + sqrt(1 - rho^2) noise, of `dims` dimensions each."""
    shape = (2, n, dims)
    y, noise = torch.randn(shape, dtype=torch.double, generator=stream, device=stream.device)
    return Rows(torch.cat([y, rho * y + (1 - rho**2) ** 0.5 * noise], dim=1), dims)


def moment_theta(second: Tensor, *, dims: int) -> NDArray[np.float64]:
    """Singular values of y, or of what a linear regression on x leaves of it, largest first.

    Args:
        second: [D, D] E[v v^T] of rows v = [y, x].
        dims: dimensions of y.
    """
    moment = second.cpu().numpy()
    residual = moment[:dims, :dims]
    if len(moment) > dims:
        cross = moment[:dims, dims:]
        inverse = np.linalg.pinv(moment[dims:, dims:], rcond=1e-10, hermitian=True)
        residual = residual - cross @ inverse @ cross.T
    eigenvalues = np.linalg.eigvalsh(residual)[::-1]
    theta: NDArray[np.float64] = np.sqrt(np.clip(eigenvalues, 0.0, None))
    return theta
