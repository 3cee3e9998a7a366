"""How evenly the prior's components are used."""

from __future__ import annotations

import torch
from torch import Generator

from introsearch.losses.kl import reparameterise
from introsearch.losses.sintrovae import normalised_entropy
from introsearch.metrics.posteriors import unseen_posteriors
from introsearch.metrics.view import ModelView
from introsearch.priors.base import MixturePrior
from introsearch.sample_sizes import sample_size

NUM_DRAWS = 10


def responsibility_entropy(view: ModelView, generator: Generator) -> float:
    """H(C) / log K of unseen data's mean responsibilities (eqs. 11, 104); 0 for one component.

    Of images, these are the ones of the test split.
    """
    if not isinstance(view.prior, MixturePrior):
        return 0.0
    mu, logvar = unseen_posteriors(view, generator)
    noise = torch.randn(
        sample_size(NUM_DRAWS, few=2), *mu.shape, generator=generator, device=mu.device
    )
    shares = [view.prior.responsibilities(z).mean(dim=0) for z in reparameterise(mu, logvar, noise)]
    return float(normalised_entropy(torch.stack(shares).mean(dim=0)))
