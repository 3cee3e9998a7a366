import torch
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

from introsearch.priors.full_mixture import FullCovarianceMixture


def test_density_and_samples_are_those_of_torch_distributions():
    stream = torch.Generator().manual_seed(0)
    mu, factors = torch.randn(3, 2, generator=stream), torch.randn(3, 2, 2, generator=stream).tril()
    factors.diagonal(dim1=1, dim2=2).abs_()
    weights = torch.tensor([0.6, 0.3, 0.1])
    prior = FullCovarianceMixture(mu, factors, weights)
    exact = MixtureSameFamily(Categorical(weights), MultivariateNormal(mu, scale_tril=factors))
    z = 2 * torch.randn(4, 5, 2, generator=stream)
    torch.testing.assert_close(prior.log_prob(z), exact.log_prob(z), rtol=1e-4, atol=1e-4)
    drawn = prior.sample(100_000, stream)
    torch.testing.assert_close(drawn.mean(dim=0), exact.mean, rtol=0, atol=0.03)
    second = factors @ factors.mT + mu[:, :, None] * mu[:, None]
    expected = (weights[:, None, None] * second).sum(dim=0)
    torch.testing.assert_close(drawn.T @ drawn / len(drawn), expected, rtol=0, atol=0.05)
