"""The evidence lower bound over data and a grid."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from introsearch.losses.kl import LOG_2PI
from introsearch.losses.vae import squared_error
from introsearch.metrics.histograms import half_width_of
from introsearch.metrics.view import ModelView
from introsearch.sample_sizes import sample_size

NUM_DATA = 12_800
NUM_GRID = 1_024
_STRIDE = 3  # divides NUM_GRID - 1
NUM_DRAWS = 100
_LOWEST_LOGVAR = -80.0
BLOCK = 2_048


def gnelbo_e7(view: ModelView, generator: Generator) -> float:
    """Grid-normalised negative ELBO of data, times 1e7 (protocol, Table 1).

    Each data point's negative ELBO, divided by the sum of those of all data and grid points. The
    grid has 1,024 x 1,024 points, of which every third of every third row is computed: with the
    weights of the trapezoidal rule they gave the sum over all of trained models to 5e-5 of it,
    where another seed's data and draws moved the result by 2e-3 to 1e-1. Where densities of the
    prior are dear, each of these grid points gets one draw of its own instead of a hundred common
    ones: over so many points their errors average out.
    """
    data = view.dataset.sample(sample_size(NUM_DATA), generator)
    weights = grid_weights().to(data.device)
    grid = window_grid(len(weights), half_width=half_width_of(view.dataset)).to(data)
    latent_dim = view.encoder(data[:1])[0].shape[1]
    num_draws = sample_size(NUM_DRAWS, few=2)
    noise = torch.randn(num_draws, 1, latent_dim, generator=generator, device=data.device)
    on_data = negative_elbo(view, data, noise=noise).double()
    if view.prior.dear_density:
        noise = torch.randn(1, len(grid), latent_dim, generator=generator, device=data.device)
    on_grid = negative_elbo(view, grid, noise=noise).double()
    whole = on_data.sum() + weights @ on_grid.view(len(weights), -1) @ weights
    return float(on_data.mean() / whole * 1e7)


def grid_weights() -> Tensor:
    """[n] how many of NUM_GRID points in a row each of n evenly spaced ones, ends included, is for.

    A sum over them is then 3 times their trapezoidal rule, plus half of both ends.
    """
    n = sample_size((NUM_GRID - 1) // _STRIDE + 1, few=32)
    stride = (NUM_GRID - 1) // (n - 1)
    weights = torch.full((n,), stride, dtype=torch.float64)
    weights[[0, -1]] = (stride + 1) / 2
    return weights


def negative_elbo(view: ModelView, x: Tensor, *, noise: Tensor) -> Tensor:
    """Squared error at the posterior mean plus a Monte Carlo KL, both with weight 1.

    Args:
        view: the model.
        x: [N, D] points.
        noise: [T, 1, L] draws that all points have in common, or [T, N, L] of their own.

    Returns:
        [N] nats.
    """
    # Written in place: hundreds of small results kept between the blocks' large temporaries would
    # scatter these over the heap, and a trial's memory with them, by a GiB.
    result = x.new_empty(len(x))
    for start in range(0, len(x), BLOCK):
        block = slice(start, start + BLOCK)
        own = noise if noise.shape[1] == 1 else noise[:, block]
        result[block] = _negative_elbo_block(view, x[block], own)
    return result


def _negative_elbo_block(view: ModelView, x: Tensor, noise: Tensor) -> Tensor:
    mu, logvar = view.encoder(x)
    logvar = logvar.clamp(min=_LOWEST_LOGVAR)
    log_q = -0.5 * ((noise.square() + LOG_2PI).sum(dim=-1).mean(dim=0) + logvar.sum(dim=-1))
    log_p = view.prior.mean_log_prob(mu, logvar, noise)
    return squared_error(x, view.decoder(mu)) + log_q - log_p


def window_grid(n: int, *, half_width: float) -> Tensor:
    """[n * n, 2] points (x, y) of a regular grid over the window, x running fastest."""
    axis = torch.linspace(-half_width, half_width, n)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    return torch.stack([x.reshape(-1), y.reshape(-1)], dim=1)
