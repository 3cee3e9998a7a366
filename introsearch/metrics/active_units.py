"""How many latent dimensions a model uses: what posterior collapse takes away, for any prior."""

from __future__ import annotations

from torch import Generator

from introsearch.data.images import ImageData
from introsearch.losses.kl import kl_per_dimension
from introsearch.metrics.collapse_curve import unit_numbers
from introsearch.metrics.modes import LEAST_VARIANCE, ModesView
from introsearch.metrics.posteriors import unseen_posteriors
from introsearch.metrics.view import ModelView

_NUM_IMAGES = 2_000
_LEAST_KL = 0.01


def active_units(view: ModelView | ModesView, generator: Generator) -> float:
    """Latent dimensions i with Var_x[mu_i(x)] > 0.01 (Burda et al., 2016): 0 is full collapse.

    Of a shallow VAE they are modes of z (of z1), and the variance is in units of the prior's.
    """
    if isinstance(view, ModesView):
        variances = view.mean_variances[0]
    else:
        variances = unseen_posteriors(view, generator).mu.var(dim=0)
    return float((variances > LEAST_VARIANCE).sum())


def active_pairs(view: ModelView | ModesView, generator: Generator) -> float:
    """Share of (data point, dimension) pairs with KL_i(x) >= 0.01 nats (Dang et al., 2024).

    The KL is that to a standard normal, whatever the prior is; of a shallow VAE that of z (of z2)
    to its prior, by mode.
    """
    if isinstance(view, ModesView):
        kl = view.pair_kl
    else:
        kl = kl_per_dimension(*unseen_posteriors(view, generator))
    return float((kl >= _LEAST_KL).double().mean())


def latent_numbers(view: ModelView, generator: Generator) -> dict[str, float]:
    """What is recorded of a latent beside metrics (`collapse_curve.unit_numbers`).

    Of fresh points or of the first 2,000 test images.
    """
    mu, logvar = unseen_posteriors(view, generator)
    if isinstance(view.dataset, ImageData):
        mu, logvar = mu[:_NUM_IMAGES], logvar[:_NUM_IMAGES]
    return unit_numbers(mu, logvar)
