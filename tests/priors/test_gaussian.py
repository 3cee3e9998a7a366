import torch

from introsearch.losses.kl import reparameterise
from introsearch.priors.gaussian import StandardGaussian


def test_mean_log_prob_of_draws_needs_two_moments_alone():
    stream = torch.Generator().manual_seed(0)
    mu, logvar = torch.randn(2, 30, 4, generator=stream, dtype=torch.float64)
    prior = StandardGaussian(4).double()
    for draws in (1, 30):
        noise = torch.randn(50, draws, 4, generator=stream, dtype=torch.float64)
        expected = prior.log_prob(reparameterise(mu, logvar, noise)).mean(dim=0)
        found = prior.mean_log_prob(mu, logvar, noise)
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
