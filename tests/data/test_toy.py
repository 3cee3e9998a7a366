import math

import numpy as np
import pytest
import torch

from introsearch.extensions import resolve
from introsearch.registry import DATASETS

POINTS = [name for name, entry in DATASETS.items() if entry.kind == "points"]


def draw(name, n=200_000, seed=0):
    return resolve("dataset", name)().sample(n, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", POINTS)
class TestEveryDataSet:
    def test_shape_and_window(self, name):
        x = draw(name, 10_000)
        assert x.shape == (10_000, 2)
        assert x.dtype == torch.float32
        assert (x.abs() <= resolve("dataset", name).half_width).float().mean() > 0.99

    def test_the_generator_decides(self, name):
        assert torch.equal(draw(name, 100), draw(name, 100))
        assert not torch.equal(draw(name, 100), draw(name, 100, seed=1))

    def test_the_global_random_state_is_left_alone(self, name):
        before = torch.get_rng_state()
        draw(name, 100)
        assert torch.equal(before, torch.get_rng_state())


def test_8gaussians_modes():
    x = draw("8gaussians")
    angle = torch.atan2(x[:, 1], x[:, 0])
    mode = (angle / (math.pi / 4)).round().remainder(8).long()
    assert torch.bincount(mode, minlength=8).float().div(len(x)).sub(1 / 8).abs().max() < 0.005
    centre = torch.stack([(mode * math.pi / 4).cos(), (mode * math.pi / 4).sin()], 1) * 2 / 1.414
    assert (x - centre).std().item() == pytest.approx(0.02 / 1.414, rel=0.01)


def test_rings_radii():
    radius = draw("rings").norm(dim=1)
    for r in (3.0, 2.25, 1.5, 0.75):
        near = radius[(radius - r).abs() < 0.3]
        assert len(near) / len(radius) == pytest.approx(0.25, abs=0.01)
        assert near.std().item() == pytest.approx(0.08, rel=0.05)


def test_checkerboard_squares():
    x = draw("checkerboard")
    column, row = (x[:, i].div(2).floor().long() for i in (0, 1))
    assert column.min() == -2
    assert column.max() == 1
    assert ((column + row) % 2 == 0).all()
    squares, counts = torch.unique(torch.stack([column, row], 1), dim=0, return_counts=True)
    assert len(squares) == 8
    assert (counts / len(x) - 1 / 8).abs().max() < 0.005


def test_2spirals_are_point_symmetric_and_of_the_right_length():
    x = draw("2spirals")
    assert x.mean(dim=0).abs().max() < 0.02
    assert x.norm(dim=1).max() == pytest.approx(540 * math.pi / 180 / 3, abs=0.6)


def published(name, n, rng):
    """The data sets as the protocol writes them."""
    u, w = rng.random((3, n)), rng.standard_normal((2, n))
    if name == "8gaussians":
        angle = rng.integers(8, size=n) * np.pi / 4
        return (2 * np.array([np.cos(angle), np.sin(angle)]) + 0.02 * w) / 1.414
    if name == "2spirals":
        t = np.sqrt(u[0]) * 540 * np.pi / 180
        arm = np.array([-np.cos(t) * t + u[1] / 2, np.sin(t) * t + u[2] / 2])
        return np.where(rng.random(n) < 0.5, 1, -1) * arm / 3 + 0.1 * w
    if name == "checkerboard":
        x = 4 * u[0] - 2
        return 2 * np.array([x, u[1] - 2 * rng.integers(2, size=n) + np.floor(x) % 2])
    angle, radius = 2 * np.pi * u[0], rng.choice([3, 2.25, 1.5, 0.75], n)
    return radius * np.array([np.cos(angle), np.sin(angle)]) + 0.08 * w


@pytest.mark.parametrize(
    ("name", "half_width"), [("8gaussians", 2), ("2spirals", 4), ("checkerboard", 4), ("rings", 4)]
)
def test_densities_and_windows_are_the_published_ones(name, half_width):
    """Total variation of two histograms of 200,000 points, which by chance is up to 0.03."""
    assert resolve("dataset", name).half_width == half_width
    ours, theirs = draw(name).double().numpy().T, published(name, 200_000, np.random.default_rng(0))
    bins = [np.linspace(-half_width, half_width, 33)] * 2
    counts = [np.histogram2d(*x, bins=bins)[0] / 200_000 for x in (ours, theirs)]
    assert np.abs(counts[0] - counts[1]).sum() / 2 < 0.05
