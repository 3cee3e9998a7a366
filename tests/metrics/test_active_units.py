"""Units that are in use, where it is known which are."""

import pytest
import torch

from introsearch.data.toy import Rings
from introsearch.losses.kl import kl_per_dimension, kl_standard_normal
from introsearch.metrics.active_units import (
    active_pairs,
    active_units,
)
from introsearch.metrics.view import ModelView
from introsearch.nets.mlp import Posterior
from introsearch.priors.gaussian import StandardGaussian


class Encoder(torch.nn.Module):
    """Uses two of four dimensions; the third has a constant mean, the last a narrow variance."""

    def forward(self, x):
        zero = torch.zeros(len(x))
        mu = torch.stack([x[:, 0], 0.09 * x[:, 1] / 1.7, zero + 3, zero], dim=1)
        return Posterior(mu, torch.stack([zero, zero, zero, zero - 2], dim=1))


def view():
    return ModelView(Rings(), Encoder(), torch.nn.Identity(), StandardGaussian(4))


def generator():
    return torch.Generator().manual_seed(0)


def test_units_are_active_by_the_variance_of_their_mean():
    """The second has a variance of 0.008 and the third none, although its KL is 4.5 nats."""
    assert active_units(view(), generator()) == 1


def test_pairs_are_active_by_their_kl():
    """All points are active in the last two dimensions, most in the first, few in the second."""
    mu, logvar = Encoder()(Rings().sample(5_000, generator()))
    kl = 0.5 * (mu**2 + logvar.exp() - 1 - logvar)
    shares = [(kl[:, i] >= 0.01).double().mean().item() for i in range(4)]
    assert shares[2:] == [1.0, 1.0]
    assert shares[0] > 0.9 > 0.5 > shares[1]
    assert active_pairs(view(), generator()) == pytest.approx(sum(shares) / 4)


def test_dimensions_sum_to_the_whole():
    mu, logvar = torch.randn(2, 50, 3, generator=generator())
    total = kl_per_dimension(mu, logvar).sum(dim=-1)
    torch.testing.assert_close(total, kl_standard_normal(mu, logvar))
