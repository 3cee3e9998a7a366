import pytest
import torch
from torch.distributions import Independent, Normal, kl_divergence

from introsearch.losses.kl import (
    LOG_2PI,
    gaussian_entropy,
    kl_monte_carlo,
    kl_standard_normal,
    reparameterise,
)
from introsearch.priors.gaussian import StandardGaussian


def posterior(batch=6, latent=3):
    g = torch.Generator().manual_seed(0)
    mu = torch.randn(batch, latent, generator=g, dtype=torch.double)
    logvar = torch.randn(batch, latent, generator=g, dtype=torch.double)
    return mu, logvar


def as_distribution(mu, logvar):
    return Independent(Normal(mu, (0.5 * logvar).exp()), 1)


def test_closed_form_kl_agrees_with_torch_distributions():
    mu, logvar = posterior()
    standard = as_distribution(torch.zeros_like(mu), torch.zeros_like(mu))
    expected = kl_divergence(as_distribution(mu, logvar), standard)
    torch.testing.assert_close(kl_standard_normal(mu, logvar), expected)


def test_entropy_agrees_with_torch_distributions():
    mu, logvar = posterior()
    torch.testing.assert_close(gaussian_entropy(logvar), as_distribution(mu, logvar).entropy())


def test_monte_carlo_kl_has_the_closed_form_as_its_mean():
    mu, logvar = posterior()
    g = torch.Generator().manual_seed(1)
    noise = torch.randn(200_000, *mu.shape, generator=g, dtype=torch.double)
    estimate = kl_monte_carlo(
        mu, logvar, log_prob=StandardGaussian(mu.shape[1]).log_prob, noise=noise
    )
    torch.testing.assert_close(estimate, kl_standard_normal(mu, logvar), atol=0.02, rtol=0.01)


def test_exact_entropy_has_the_gradient_of_the_sampled_one():
    """Eq. 99 samples log q too; through reparameterised draws its gradient is that of -H."""
    mu, logvar = (t.requires_grad_() for t in posterior())
    noise = torch.randn(7, *mu.shape, generator=torch.Generator().manual_seed(2)).double()
    log_prob = StandardGaussian(mu.shape[1]).log_prob

    z = reparameterise(mu, logvar, noise)
    sampled = (as_distribution(mu, logvar).log_prob(z) - log_prob(z)).mean(dim=0)
    ours = kl_monte_carlo(mu, logvar, log_prob=log_prob, noise=noise)
    for a, b in zip(
        torch.autograd.grad(sampled.sum(), (mu, logvar)),
        torch.autograd.grad(ours.sum(), (mu, logvar)),
        strict=True,
    ):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("s", [0.1, 0.5, 2.0])
def test_noise_of_the_estimate_with_exact_and_with_sampled_entropy(s):
    """One dimension, a standard normal prior, mu = 0.7: which is less noisy turns at s = 1/2."""
    noise = torch.randn(1, 400_000, 1, generator=torch.Generator().manual_seed(0)).double()
    mu, logvar = torch.full((400_000, 1), 0.7).double(), torch.full((400_000, 1), s).double().log()
    exact = kl_monte_carlo(mu, logvar, log_prob=StandardGaussian(1).log_prob, noise=noise)
    sampled = (
        exact + gaussian_entropy(logvar) - 0.5 * (noise[0, :, 0] ** 2 + LOG_2PI + logvar[:, 0])
    )
    assert exact.var().item() == pytest.approx(0.49 * s + s**2 / 2, rel=0.02)
    assert sampled.var().item() == pytest.approx(0.49 * s + (s - 1) ** 2 / 2, rel=0.02)
    assert sampled.mean().item() == pytest.approx(exact.mean().item(), abs=0.01)
