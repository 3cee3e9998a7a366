"""The parts of the evidence lower bound on the test split, and how wide the prior is."""

from __future__ import annotations

import torch
from torch import Generator

from introsearch.data.images import ImageData
from introsearch.losses.kl import kl_monte_carlo, kl_standard_normal, reparameterise
from introsearch.losses.vae import squared_error
from introsearch.metrics.image_batches import batches
from introsearch.metrics.posteriors import unseen_posteriors
from introsearch.metrics.view import ModelView
from introsearch.priors.gaussian import StandardGaussian
from introsearch.sample_sizes import sample_size

NUM_DRAWS = 20


def rec_test(view: ModelView, generator: Generator) -> float:
    """Squared error summed over pixels, of one posterior sample: mean over test images."""
    return _elbo_parts(view, generator)[0]


def kl_test(view: ModelView, generator: Generator) -> float:
    """KL[q(z|x) || p(z)] in nats: mean over test images."""
    return _elbo_parts(view, generator)[1]


def prior_logvar_max(view: ModelView, generator: Generator) -> float:
    """The largest log-variance of the prior's components: grows without clipping (Figure 2)."""
    logvar = view.prior.components().logvar
    return float(logvar.max()) if logvar.numel() else 0.0


def _elbo_parts(view: ModelView, generator: Generator) -> tuple[float, float]:
    data = view.dataset
    assert isinstance(data, ImageData)  # the registry sees to it
    if "elbo parts" not in view.memo:
        rec, kl = 0.0, 0.0
        posteriors, done = unseen_posteriors(view, generator), 0
        for x in batches(data.test.images):
            mu, logvar = (part[done : done + len(x)] for part in posteriors)
            done += len(x)
            noise = torch.randn(
                sample_size(NUM_DRAWS, few=2), *mu.shape, generator=generator, device=mu.device
            )
            rec += float(squared_error(x, view.decoder(reparameterise(mu, logvar, noise[0]))).sum())
            if isinstance(view.prior, StandardGaussian):
                kl += float(kl_standard_normal(mu, logvar).sum())
            else:
                log_prob = view.prior.log_prob
                kl += float(kl_monte_carlo(mu, logvar, log_prob=log_prob, noise=noise).sum())
        view.memo["elbo parts"] = rec / len(data.test), kl / len(data.test)
    parts: tuple[float, float] = view.memo["elbo parts"]
    return parts
