"""What metrics and figures look at of a shallow VAE, read off its encoder and its data."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator

from introsearch.losses.shallow import Moments
from introsearch.metrics.modes import (
    ModesView,
    PredictedModes,
    in_modes,
    pair_kl,
    trained_modes,
)
from introsearch.nets.shallow import ShallowVAE
from introsearch.training.shallow.moments import (
    draw_latents,
    exact_moments,
    linear_decoder,
    mean_moments,
    moments_of_draws,
)
from introsearch.training.shallow.rows import Rows

_EVALUATED = 10_000  # rows, the first ones, that are encoded to be looked at


def read_modes(
    nets: ShallowVAE,
    rows: Rows,
    *,
    is_linear: bool,
    prior_stds: tuple[float, ...],
    loss_of: Callable[[Moments], float],
    predicted: PredictedModes,
    estimate_nll: Callable[[Generator], float],
    stream: Generator,
) -> ModesView:
    """The modes of a model as it is now.

    Args:
        nets: the model.
        rows: that it was trained on.
        is_linear: moments are exact then, over all data.
        prior_stds: standard deviation of the prior of each latent.
        loss_of: the objective.
        predicted: the optimum of the linear model.
        estimate_nll: see `ModesView`.
        stream: of the noise with which latents are drawn.
    """
    parts, sizes, draws = [], [], []
    for block in rows.blocks(_EVALUATED):
        shape = (len(block), len(prior_stds), len(nets.logvars[0]))
        noise = torch.randn(shape, dtype=block.dtype, generator=stream, device=block.device)
        latents = draw_latents(nets, block, noise)
        if not is_linear:
            parts.append(moments_of_draws(nets, block, latents))
        sizes.append(len(block))
        draws.append(latents)
    moments = exact_moments(nets, rows.second) if is_linear else mean_moments(parts, sizes)
    is_rotated = tuple(variance == "fixed" for variance in nets.variances)
    all_draws = [torch.cat([q.mu for q in of]) for of in zip(*draws, strict=True)]
    last = [latents[-1].logvar for latents in draws]
    means = [
        in_modes(mu, level, is_rotated=rotated)
        for mu, level, rotated in zip(all_draws, moments.levels, is_rotated, strict=True)
    ]
    return ModesView(
        trained=trained_modes(
            moments,
            prior_stds=prior_stds,
            is_rotated=is_rotated,
            loss=loss_of(moments),
            decoder=linear_decoder(nets) if is_linear else None,
        ),
        predicted=predicted,
        mean_variances=tuple(
            mu.var(dim=0, correction=0) / std**2 for mu, std in zip(means, prior_stds, strict=True)
        ),
        pair_kl=pair_kl(
            means[-1], last[0] if last[0].ndim == 1 else torch.cat(last), prior_stds[-1]
        ),
        estimate_nll=estimate_nll,
    )
