"""How well a prior fits the aggregate posterior of its encoder (the prior hole)."""

from __future__ import annotations

import time

import torch
from torch import Generator, Tensor

from introsearch.data.images import ImageData
from introsearch.data.latent_targets import LatentTarget
from introsearch.losses.kl import reparameterise
from introsearch.metrics.image_batches import encode_in_batches
from introsearch.metrics.mmd import bandwidths_of, mmd_squared
from introsearch.metrics.view import ModelView
from introsearch.priors.energy import EnergyPrior
from introsearch.sample_sizes import sample_size

NUM_SAMPLES = 2_000
NUM_RESAMPLED = 200
_NUM_TIMED = 1_000
_TIMED_REPEATS = 5


def mmd_latent(view: ModelView, generator: Generator) -> float:
    """Unbiased MMD^2 of posterior samples and as many from the prior; it may be negative.

    The kernels' widths follow from the posterior samples alone, so that all priors of one encoder
    are measured with the same ones.
    """
    q = posterior_samples(view, sample_size(NUM_SAMPLES), generator)
    p = view.prior.sample(len(q), generator)
    return float(mmd_squared(q, p, bandwidths=bandwidths_of(q)))


def mmd_null(view: ModelView, generator: Generator) -> float:
    """What `mmd_latent` is by chance: of two samples of the aggregate posterior itself."""
    q = posterior_samples(view, sample_size(2 * NUM_SAMPLES), generator)
    half = len(q) // 2
    return float(mmd_squared(q[:half], q[half:], bandwidths=bandwidths_of(q[:half])))


def latent_nll(view: ModelView, generator: Generator) -> float:
    """-E_q[log p(z)] in nats: KL[q || p], up to the entropy of the aggregate posterior q."""
    q = posterior_samples(view, sample_size(NUM_SAMPLES), generator)
    return float(-view.prior.log_prob(q).mean())


def latent_kl(view: ModelView, generator: Generator) -> float:
    """KL[q || p] in nats where the density q of the latent points is known."""
    assert isinstance(view.dataset, LatentTarget)  # the registry sees to it
    z = view.dataset.sample(sample_size(5 * NUM_SAMPLES), generator)
    return float((view.dataset.log_prob(z) - view.prior.log_prob(z)).mean())


def effective_share(view: ModelView, generator: Generator) -> float:
    """Effective sample size of the proposals that a resampled point rests on, over their number.

    1 for a prior that draws its points directly, and close to 0 where SIR cannot be trusted.
    """
    if not isinstance(view.prior, EnergyPrior) or view.prior.langevin_steps:
        return 1.0
    n = sample_size(NUM_RESAMPLED, few=10)
    return float(view.prior.resampled(n, generator).effective_share.mean())


def sampling_ms(view: ModelView, generator: Generator) -> float:
    """Wall time of drawing 1,000 latent points, in milliseconds: the least of several draws."""
    _seconds_of_sampling(view, generator)
    return 1e3 * min(_seconds_of_sampling(view, generator) for _ in range(_TIMED_REPEATS))


def _seconds_of_sampling(view: ModelView, generator: Generator) -> float:
    _synchronise(generator.device)
    start = time.perf_counter()
    view.prior.sample(sample_size(_NUM_TIMED, few=10), generator)
    _synchronise(generator.device)
    return time.perf_counter() - start


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def posterior_samples(view: ModelView, n: int, generator: Generator) -> Tensor:
    """One posterior sample of each of `n` data points, [n, L]; of images, of as many as exist."""
    data = view.dataset
    if isinstance(data, ImageData):
        device = generator.device
        chosen = torch.randperm(len(data.train), generator=generator, device=device)[:n]
        mu, logvar = encode_in_batches(view.encoder, data.train.images[chosen])
    else:
        mu, logvar = view.encoder(data.sample(n, generator))
    noise = torch.randn(mu.shape, generator=generator, device=mu.device)
    return reparameterise(mu, logvar, noise)
