"""How evenly the prior's components are used."""

from __future__ import annotations

import torch
from torch import Generator

from introsearch.data.images import ImageData
from introsearch.losses.kl import reparameterise
from introsearch.losses.sintrovae import normalised_entropy
from introsearch.metrics.image_batches import encode_in_batches
from introsearch.metrics.view import ModelView
from introsearch.priors.base import MixturePrior

NUM_DATA = 5_000
NUM_DRAWS = 10


def responsibility_entropy(view: ModelView, generator: Generator) -> float:
    """H(C) / log K of unseen data's mean responsibilities (eqs. 11, 104); 0 for one component.

    Of images, these are the ones of the test split.
    """
    if not isinstance(view.prior, MixturePrior):
        return 0.0
    data = view.dataset
    if isinstance(data, ImageData):
        mu, logvar = encode_in_batches(view.encoder, data.test.images)
    else:
        mu, logvar = view.encoder(data.sample(NUM_DATA, generator))
    noise = torch.randn(NUM_DRAWS, *mu.shape, generator=generator, device=mu.device)
    shares = [view.prior.responsibilities(z).mean(dim=0) for z in reparameterise(mu, logvar, noise)]
    return float(normalised_entropy(torch.stack(shares).mean(dim=0)))
