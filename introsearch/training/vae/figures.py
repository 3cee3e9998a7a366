"""What is drawn of a trained model, as plain arrays."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from introsearch.data.images import ImageData, to_float
from introsearch.data.toy import ToyData
from introsearch.losses.kl import reparameterise
from introsearch.metrics.elbo import negative_elbo, window_grid
from introsearch.metrics.view import ModelView
from introsearch.sample_sizes import sample_size
from introsearch.training.figure_data import Array, ImageFigure, TrialFigure

_POINTS = 4_000
_GRID = 192
_IMAGES = 64
_COMPONENTS = 100
_LATENTS = 800
_PRIOR_LATENTS = 200
_PERPLEXITY = 30


def points_figure(view: ModelView, stream: Generator) -> TrialFigure:
    """Figure 3 of the prior-learning paper."""
    data, device = view.dataset, stream.device
    assert isinstance(data, ToyData)
    num_points, num_grid = sample_size(_POINTS), sample_size(_GRID, few=32)
    real = data.sample(num_points, stream)
    mu, logvar = view.encoder(real)
    latents = reparameterise(mu, logvar, torch.randn(mu.shape, generator=stream, device=device))
    grid = window_grid(num_grid, half_width=data.half_width).to(device)
    noise = torch.randn(10, 1, mu.shape[1], generator=stream, device=device)
    parts = view.prior.components()
    return TrialFigure(
        real=_array(real),
        samples=_array(view.decoder(view.prior.sample(num_points, stream))),
        density=_array((-negative_elbo(view, grid, noise=noise)).exp().view(num_grid, num_grid)),
        half_width=data.half_width,
        latents=_array(latents[:, :2]),
        component_means=_array(parts.mu[:, :2]),
        component_stds=_array((0.5 * parts.logvar[:, :2]).exp()),
        component_weights=_array(parts.log_weights.exp()),
    )


def image_figure(view: ModelView, stream: Generator) -> ImageFigure:
    """Figures 5 and 6 of the prior-learning paper's supplementary, with samples."""
    data = view.dataset
    assert isinstance(data, ImageData)
    order = torch.randperm(len(data.test), generator=stream, device=stream.device)
    chosen = order[: sample_size(_LATENTS, few=40)]
    real = to_float(data.test.images[chosen])
    mu, logvar = view.encoder(real)
    noise = torch.randn(mu.shape, generator=stream, device=stream.device)
    latents = reparameterise(mu, logvar, noise)
    parts = view.prior.components()
    heaviest = parts.log_weights.argsort(descending=True, stable=True)[:_COMPONENTS]
    samples = view.decoder(view.prior.sample(_IMAGES, stream))
    beside = latents[:0] if len(heaviest) else view.prior.sample(_PRIOR_LATENTS, stream)
    return ImageFigure(
        samples=_pictures(samples),
        originals=_pictures(real[:_IMAGES]),
        reconstructions=_pictures(view.decoder(mu)[:_IMAGES]),
        components=_pictures(view.decoder(parts.mu[heaviest]) if len(heaviest) else real[:0]),
        latents=_array(latents[:, :2]),
        labels=data.test.labels[chosen].cpu().numpy(),
        component_means=_array(parts.mu[:, :2]),
        component_weights=_array(parts.log_weights.exp()),
        aggregate=_embed(latents),
        prior_latents=_array(beside[:, :2]),
    )


def _embed(latents: Tensor) -> Array:
    """t-SNE of [N, L] points in two dimensions; points that are not finite give none."""
    from sklearn.manifold import TSNE  # late: takes seconds, and points need none

    if len(latents) < 3 or not latents.isfinite().all():
        return _array(latents[:0, :2])
    perplexity = min(_PERPLEXITY, (len(latents) - 1) / 3)
    tsne = TSNE(perplexity=perplexity, random_state=0, init="pca", n_jobs=1)
    embedded: Array = tsne.fit_transform(_array(latents))
    return embedded


def _pictures(images: Tensor) -> Array:
    """[N, C, H, W] -> [N, H, W, C], clipped to [0, 1]; what is no number is black."""
    return _array(images.nan_to_num(0.0).clamp(0, 1).permute(0, 2, 3, 1))


def _array(values: Tensor) -> Array:
    return values.detach().float().cpu().numpy()
