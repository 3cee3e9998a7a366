"""The four 2D data sets of the prior-learning benchmark: fresh batches from a generator."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Generator, Tensor

from introsearch.data.base import Data


class ToyData(Data):
    """A 2D density that can be sampled without limit.

    Subclasses define the density in `sample`. The window [-half_width, half_width]^2 is where
    the benchmark's histograms and grids are taken.
    """

    kind = "points"
    shape = (2,)
    half_width: ClassVar[float] = 4.0

    def sample(self, n: int, generator: Generator) -> Tensor:
        """Draw `n` points, [n, 2], on the generator's device."""
        raise NotImplementedError


class EightGaussians(ToyData):
    """Eight narrow modes on a circle."""

    half_width = 2.0

    def sample(self, n: int, generator: Generator) -> Tensor:
        mode = torch.randint(8, (n,), generator=generator, device=generator.device)
        angle = mode * (math.pi / 4)
        centre = 2.0 * torch.stack([angle.cos(), angle.sin()], dim=1)
        return (centre + 0.02 * _normal(n, generator)) / 1.414


class TwoSpirals(ToyData):
    """Two interleaved noisy spirals."""

    def sample(self, n: int, generator: Generator) -> Tensor:
        u = torch.rand(n, 3, generator=generator, device=generator.device)
        turn = u[:, 0].sqrt() * (540 * math.pi / 180)
        arm = torch.stack(
            [-turn.cos() * turn + 0.5 * u[:, 1], turn.sin() * turn + 0.5 * u[:, 2]], dim=1
        )
        sign = 1 - 2 * torch.randint(2, (n, 1), generator=generator, device=generator.device)
        return sign * arm / 3 + 0.1 * _normal(n, generator)


class Checkerboard(ToyData):
    """Eight uniform squares of a four by four board."""

    def sample(self, n: int, generator: Generator) -> Tensor:
        u = torch.rand(n, 2, generator=generator, device=generator.device)
        lower = 2 * torch.randint(2, (n,), generator=generator, device=generator.device)
        x = 4 * u[:, 0] - 2
        y = u[:, 1] - lower + x.floor().remainder(2)
        return 2 * torch.stack([x, y], dim=1)


class Rings(ToyData):
    """Four concentric noisy circles, equally likely."""

    def sample(self, n: int, generator: Generator) -> Tensor:
        ring = torch.randint(4, (n,), generator=generator, device=generator.device)
        radius = 3.0 - 0.75 * ring
        angle = 2 * math.pi * torch.rand(n, generator=generator, device=generator.device)
        circle = torch.stack([angle.cos(), angle.sin()], dim=1)
        return radius[:, None] * circle + 0.08 * _normal(n, generator)


def _normal(n: int, generator: Generator) -> Tensor:
    return torch.randn(n, 2, generator=generator, device=generator.device)
