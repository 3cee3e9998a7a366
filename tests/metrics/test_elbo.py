from dataclasses import replace

import pytest
import torch

from introsearch.extensions import resolve
from introsearch.losses.kl import kl_standard_normal
from introsearch.metrics import elbo
from introsearch.metrics.responsibilities import responsibility_entropy
from introsearch.metrics.view import ModelView
from introsearch.nets.mlp import MLPDecoder, MLPEncoder, Posterior
from introsearch.priors.base import Components, Prior
from introsearch.priors.gaussian import StandardGaussian
from introsearch.priors.mixture import MixtureOfGaussians


def view(prior=None):
    torch.manual_seed(0)
    return ModelView(
        resolve("dataset", "8gaussians")(),
        MLPEncoder(2, 2, hidden_units=16),
        MLPDecoder(2, 2, hidden_units=16),
        prior or StandardGaussian(2),
    )


@torch.no_grad()
def test_negative_elbo_is_squared_error_at_the_mean_plus_kl():
    v = replace(view(), decoder=lambda z: 3 * z)
    x = v.dataset.sample(20, torch.Generator().manual_seed(1))
    noise = torch.randn(100_000, 1, 2, generator=torch.Generator().manual_seed(2))
    q = v.encoder(x)
    expected = (x - v.decoder(q.mu)).square().sum(dim=1) + kl_standard_normal(*q)
    torch.testing.assert_close(elbo.negative_elbo(v, x, noise=noise), expected, atol=0.02, rtol=0)


@torch.no_grad()
def test_posterior_log_variance_is_clamped():
    v = replace(view(), encoder=lambda x: Posterior(x, torch.full_like(x, -1e4)))
    x = torch.zeros(3, 2)
    value = elbo.negative_elbo(v, x, noise=torch.zeros(1, 1, 2))
    rec = v.decoder(x).square().sum(dim=1)
    torch.testing.assert_close(value, rec + 80)  # log q is 80 above log p, at the mean of both


@torch.no_grad()
def test_gnelbo_is_a_data_point_share_of_the_whole(monkeypatch):
    """12,800 data points and a grid of 1024x1024, with 100 draws that all have in common."""
    seen = []

    def negative_elbo(view, x, *, noise):
        seen.append((len(x), tuple(noise.shape), x.abs().max().item()))
        return torch.full((len(x),), 3.0) if len(seen) % 2 else torch.full((len(x),), 5.0)

    monkeypatch.setattr(elbo, "negative_elbo", negative_elbo)
    value = elbo.gnelbo_e7(view(), torch.Generator().manual_seed(0))
    assert value == pytest.approx(1e7 * 3 / (3 * 12_800 + 5 * 1024**2))
    (data, draws, reach), grid = seen
    assert (data, draws) == (12_800, (100, 1, 2))
    assert 1.4 < reach < 1.6
    assert grid == (342**2, draws, 2.0)


def test_few_points_stand_for_the_grid():
    weights = elbo.grid_weights()
    every_third = torch.linspace(-1, 1, len(weights), dtype=torch.float64)
    every = torch.linspace(-1, 1, 1024, dtype=torch.float64)
    assert weights.sum() == 1024  # constants, and by symmetry odd powers, are summed exactly
    step = 2 / 1023
    # The second term of Euler and Maclaurin's formula, for 3 steps and for 1: (9 - 1) / 12 * step
    # times the difference of the slopes at the ends.
    error = weights @ every_third**2 - (every**2).sum()
    assert error == pytest.approx((9 - 1) / 12 * step * 4, rel=1e-9)


@torch.no_grad()
def test_gnelbo_is_that_of_all_points_of_the_grid():
    v = view()
    for network in (v.encoder, v.decoder):
        for weight in network.parameters():
            weight *= 3  # less smooth than what training makes
    value = elbo.gnelbo_e7(v, torch.Generator().manual_seed(0))
    stream = torch.Generator().manual_seed(0)
    data = v.dataset.sample(12_800, stream)
    noise = torch.randn(100, 1, 2, generator=stream)
    on_data = elbo.negative_elbo(v, data, noise=noise).double()
    grid = elbo.window_grid(1024, half_width=2.0)
    on_grid = elbo.negative_elbo(v, grid, noise=noise).double()
    expected = 1e7 * on_data.mean() / (on_data.sum() + on_grid.sum())
    assert value == pytest.approx(expected.item(), rel=5e-5)


class Dear(StandardGaussian):
    """Without the closed form in two moments, so that every draw counts."""

    dear_density = True
    mean_log_prob = Prior.mean_log_prob


@torch.no_grad()
def test_one_draw_per_grid_point_is_enough_where_densities_are_dear(monkeypatch):
    monkeypatch.setattr(elbo, "NUM_DATA", 500)
    drawn = []
    monkeypatch.setattr(
        Dear, "log_prob", lambda self, z: drawn.append(z) or StandardGaussian.log_prob(self, z)
    )
    value = elbo.gnelbo_e7(view(Dear(2)), torch.Generator().manual_seed(0))
    stream, v = torch.Generator().manual_seed(0), view()
    data = v.dataset.sample(500, stream)
    noise = torch.randn(elbo.NUM_DRAWS, 1, 2, generator=stream)
    on_data = elbo.negative_elbo(v, data, noise=noise)
    moments = torch.tensor([[[1.0, 1.0]], [[-1.0, -1.0]]])  # of the normal, all that counts here
    grid = elbo.window_grid(1024, half_width=2.0)
    on_grid = elbo.negative_elbo(v, grid, noise=moments)
    expected = on_data.mean() / (on_data.sum() + on_grid.sum()) * 1e7
    assert value == pytest.approx(expected.item(), rel=2e-3)
    assert sum(z[..., 0].numel() for z in drawn) == 500 * elbo.NUM_DRAWS + 342**2
    grid = torch.cat([z.flatten(0, -2) for z in drawn if len(z) == 1])
    assert len(grid.unique(dim=0)) == 342**2


def test_grid_runs_over_x_first():
    grid = elbo.window_grid(3, half_width=2.0)
    assert grid[:3].tolist() == [[-2, -2], [0, -2], [2, -2]]
    assert grid[-1].tolist() == [2, 2]


@torch.no_grad()
def test_responsibility_entropy():
    one = torch.zeros(4, 2)
    even = MixtureOfGaussians(
        Components(one, one, torch.full((4,), 0.25).log()), learnable_contributions=False
    )
    skewed = torch.tensor([0.5, 0.5, 1e-30, 1e-30]).log()
    half = MixtureOfGaussians(Components(one, one, skewed), learnable_contributions=False)
    g = torch.Generator().manual_seed(0)
    assert responsibility_entropy(view(), g) == 0.0
    assert responsibility_entropy(view(even), g) == pytest.approx(1.0)
    assert responsibility_entropy(view(half), g) == pytest.approx(0.5)
