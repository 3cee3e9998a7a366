"""How many latent dimensions a model uses: what posterior collapse takes away, for any prior."""

from __future__ import annotations

from torch import Generator

from introsearch.data.images import ImageData
from introsearch.losses.kl import kl_per_dimension
from introsearch.metrics.image_batches import encode_in_batches
from introsearch.metrics.view import ModelView
from introsearch.nets.mlp import Posterior

NUM_DATA = 5_000
LEAST_VARIANCE = 0.01
LEAST_KL = 0.01


def active_units(view: ModelView, generator: Generator) -> float:
    """Latent dimensions i with Var_x[mu_i(x)] > 0.01 (Burda et al., 2016): 0 is full collapse."""
    mu = _posterior(view, generator).mu
    return float((mu.var(dim=0) > LEAST_VARIANCE).sum())


def active_pairs(view: ModelView, generator: Generator) -> float:
    """Share of (data point, dimension) pairs with KL_i(x) >= 0.01 nats (Dang et al., 2024).

    The KL is that to a standard normal, whatever the prior is.
    """
    kl = kl_per_dimension(*_posterior(view, generator))
    return float((kl >= LEAST_KL).double().mean())


def _posterior(view: ModelView, generator: Generator) -> Posterior:
    """Of fresh points or of test images: mu and logvar, [N, L]."""
    if "posterior" not in view.memo:
        data = view.dataset
        if isinstance(data, ImageData):
            view.memo["posterior"] = encode_in_batches(view.encoder, data.test.images)
        else:
            view.memo["posterior"] = Posterior(*view.encoder(data.sample(NUM_DATA, generator)))
    posterior: Posterior = view.memo["posterior"]
    return posterior
