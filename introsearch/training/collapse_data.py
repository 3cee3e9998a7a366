"""Data as rows [y, x] of what is modelled and of the condition, and their second moment."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from introsearch.data.base import DataContext
from introsearch.data.quadrants import split_quadrants
from introsearch.registry import resolve

BLOCK = 8_192  # rows made into numbers at a time


@dataclass(frozen=True)
class Rows:
    """N rows [y, x], x having no dimensions if there is no condition.

    Attributes:
        values: [N, D] in bytes or numbers.
        dims: dimensions of y.
        scale: what values are divided by.
    """

    values: Tensor
    dims: int
    scale: float = 1.0

    @property
    def condition_dims(self) -> int:
        """Dimensions of x."""
        return self.values.shape[1] - self.dims

    def numbers(self, chosen: Tensor | slice) -> Tensor:
        """Some rows in double precision."""
        return self.values[chosen].double() / self.scale

    def sample(self, n: int, generator: Generator) -> Tensor:
        """Draw `n` rows with replacement, [n, D]."""
        device = generator.device
        return self.numbers(
            torch.randint(len(self.values), (n,), generator=generator, device=device)
        )

    @functools.cached_property
    def second(self) -> Tensor:
        """[D, D] E[v v^T], uncentred."""
        starts = range(0, len(self.values), BLOCK)
        blocks = (self.numbers(slice(start, start + BLOCK)) for start in starts)
        return sum((b.T @ b for b in blocks), torch.zeros((), device=self.values.device)) / len(
            self.values
        )


def image_rows(
    dataset: str, train_images: int | None, *, device: torch.device, given_quadrant: bool = False
) -> Rows:
    """The train images of a data set, scaled to [0, 1].

    Args:
        dataset: a registered image data set.
        train_images: the first so many of them; None is all.
        device: where to hold them.
        given_quadrant: the condition is the bottom left quadrant, and the data the rest.
    """
    context = DataContext(device=device, train_images=train_images)
    images = resolve("dataset", dataset).open(context).train.images
    if not given_quadrant:
        values = images.flatten(1)
        return Rows(values, values.shape[1], 255.0)
    rest, quadrant = split_quadrants(images)
    return Rows(torch.cat([rest, quadrant], dim=1), rest.shape[1], 255.0)


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
