"""The negative ELBO of the fixed real and fake images of the trainer `proposition1`."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from introsearch.errors import ConfigError
from introsearch.losses.kl import kl_monte_carlo, reparameterise
from introsearch.losses.vae import squared_error
from introsearch.metrics.view import ModelView
from introsearch.sample_sizes import sample_size

NUM_DRAWS = 100


@dataclass(frozen=True, kw_only=True)
class FixedSetsView(ModelView):
    """A model, and the fixed sets that its encoder was trained on.

    Attributes:
        images: [N, C, H, W]; both sets are the first few of them.
        num_real: how many are real.
        num_fake: how many are fake.
        beta_rec: weight of the reconstruction error.
        beta_kl: weight of the KL.
    """

    images: Tensor
    num_real: int
    num_fake: int
    beta_rec: float
    beta_kl: float


def nelbo_real(view: ModelView, generator: Generator) -> float:
    """beta_rec * rec + beta_kl * kl in expectation over the posterior: mean over real images."""
    view = _checked(view)
    return float(_nelbo(view, generator)[: view.num_real].mean())


def nelbo_fake(view: ModelView, generator: Generator) -> float:
    """The same: mean over fake images."""
    view = _checked(view)
    return float(_nelbo(view, generator)[: view.num_fake].mean())


def _checked(view: ModelView) -> FixedSetsView:
    if not isinstance(view, FixedSetsView):
        raise ConfigError("these metrics are for trainer: proposition1 alone", key="metric")
    return view


def _nelbo(view: FixedSetsView, generator: Generator) -> Tensor:
    """Of each image, [N]; batch statistics are those of all images, as in training."""
    x = view.images
    q = view.encoder(x)
    noise = torch.randn(
        sample_size(NUM_DRAWS, few=2), *q.mu.shape, generator=generator, device=x.device
    )
    draws = reparameterise(q.mu, q.logvar, noise)
    rec = torch.stack([squared_error(x, view.decoder(z)) for z in draws]).mean(dim=0)
    kl = kl_monte_carlo(*q, log_prob=view.prior.log_prob, noise=noise)
    return view.beta_rec * rec + view.beta_kl * kl
