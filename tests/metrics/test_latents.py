"""What is measured of a prior beside posterior samples, where it is known."""

import math

import pytest
import torch
from torch import nn

from introsearch.data.latent_targets import FourGaussians
from introsearch.metrics.latents import latent_nll, mmd_latent, posterior_samples
from introsearch.metrics.view import ModelView
from introsearch.nets.mlp import Posterior
from introsearch.priors.gaussian import StandardGaussian


class Standard(nn.Module):
    """The posterior N(shift, I), whatever the data."""

    def __init__(self, shift):
        super().__init__()
        self.shift = shift

    def forward(self, x):
        return Posterior(torch.full_like(x, self.shift), torch.zeros_like(x))


def view(shift=0.0):
    return ModelView(FourGaussians(), Standard(shift), nn.Identity(), StandardGaussian(2))


def stream():
    return torch.Generator().manual_seed(0)


def test_posterior_samples_are_as_wide_as_the_posterior():
    z = posterior_samples(view(3.0), 4_000, stream())
    torch.testing.assert_close(z.mean(dim=0), torch.full((2,), 3.0), rtol=0, atol=0.06)
    torch.testing.assert_close(z.std(dim=0), torch.ones(2), rtol=0, atol=0.04)


@pytest.mark.parametrize("shift", [0.0, 1.5])
def test_nll_is_the_cross_entropy_of_two_gaussians(shift):
    exact = math.log(2 * math.pi) + 1 + shift**2
    assert latent_nll(view(shift), stream()) == pytest.approx(exact, abs=0.12)


def test_mmd_tells_equal_distributions_from_shifted_ones():
    assert abs(mmd_latent(view(), stream())) < 2e-3
    assert mmd_latent(view(1.5), stream()) > 0.1
