"""Terms of KL[q(z|x) || p(z)] for diagonal Gaussian posteriors, in nats per data point."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import Tensor

LOG_2PI = math.log(2 * math.pi)


def reparameterise(mu: Tensor, logvar: Tensor, noise: Tensor) -> Tensor:
    """mu + sigma * noise; `noise` broadcasts against [B, L], e.g. [T, B, L]."""
    return mu + (0.5 * logvar).exp() * noise


def gaussian_entropy(logvar: Tensor) -> Tensor:
    """Entropy of N(., diag exp(logvar)): [B, L] -> [B]."""
    return 0.5 * (logvar + (LOG_2PI + 1)).sum(dim=-1)


def kl_standard_normal(mu: Tensor, logvar: Tensor) -> Tensor:
    """KL[N(mu, diag exp(logvar)) || N(0, I)] in closed form: [B, L] -> [B]."""
    return kl_per_dimension(mu, logvar).sum(dim=-1)


def kl_per_dimension(mu: Tensor, logvar: Tensor) -> Tensor:
    """What each dimension adds to `kl_standard_normal`: [B, L] -> [B, L]."""
    return 0.5 * (mu.square() + logvar.exp() - logvar - 1)


def kl_monte_carlo(
    mu: Tensor, logvar: Tensor, *, log_prob: Callable[[Tensor], Tensor], noise: Tensor
) -> Tensor:
    """KL[q || p] = -H(q) - E_q[log p(z)], the expectation over T draws (eq. 99).

    The entropy is exact. Its Monte Carlo form has the very same gradient; the value's noise is
    larger with it where variances of the posterior are small, and smaller where they are large. For
    a standard normal prior, one draw and dimension have the variance mu^2 s + s^2 / 2 with the
    exact entropy and mu^2 s + (s - 1)^2 / 2 without, s being the posterior's variance: s = 1/2
    divides them. A control variate s (noise^2 - 1) / 2 would remove the second term for that prior,
    and add to it for mixtures whose components have variances above 2.

    Args:
        mu: [B, L] posterior means.
        logvar: [B, L] posterior log-variances.
        log_prob: the prior's log-density, [T, B, L] -> [T, B].
        noise: [T, B, L] standard normal draws.

    Returns:
        [B] estimates.
    """
    cross_entropy = -log_prob(reparameterise(mu, logvar, noise)).mean(dim=0)
    return cross_entropy - gaussian_entropy(logvar)
