from dataclasses import replace

import pytest
import torch

from introsearch.extensions import resolve
from introsearch.losses.kl import kl_standard_normal
from introsearch.metrics import elbo
from introsearch.metrics.responsibilities import responsibility_entropy
from introsearch.metrics.view import ModelView
from introsearch.nets.mlp import MLPDecoder, MLPEncoder, Posterior
from introsearch.priors.base import Components
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
    v = view()
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
    assert value.isfinite().all()
    clamped = replace(v, encoder=lambda x: Posterior(x, torch.full_like(x, -80.0)))
    assert torch.equal(value, elbo.negative_elbo(clamped, x, noise=torch.zeros(1, 1, 2)))


@torch.no_grad()
def test_gnelbo_is_a_data_point_share_of_the_whole(monkeypatch):
    """If every point had the same negative ELBO, the mean share would be 1 / number of points."""
    monkeypatch.setattr(elbo, "NUM_GRID", 64)
    monkeypatch.setattr(elbo, "negative_elbo", lambda view, x, noise: torch.full((len(x),), 3.0))
    value = elbo.gnelbo_e7(view(), torch.Generator().manual_seed(0))
    assert value == pytest.approx(1e7 / (64 * 64 + elbo.NUM_DATA))


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
