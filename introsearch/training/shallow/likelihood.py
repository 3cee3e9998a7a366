"""The likelihood of a shallow VAE by importance sampling, its posterior being the proposal."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from introsearch.losses.kl import LOG_2PI
from introsearch.nets.shallow import ShallowVAE


def importance_nll(
    nets: ShallowVAE,
    rows: Tensor,
    *,
    eta_dec: float,
    prior_stds: tuple[float, ...],
    num_draws: int,
    generator: Generator,
) -> Tensor:
    """-log p(y|x), an upper bound on average (Burda et al., 2016), constants included.

    Args:
        nets: a trained model.
        rows: [N, D] of [y, x].
        eta_dec: standard deviation of p(y|z, x).
        prior_stds: of p(z), or of p(z1|z2) and p(z2).
        num_draws: importance samples of each row, one row at a time.
        generator: on the rows' device.

    Returns:
        [N] nats.
    """
    shape = (num_draws, len(prior_stds), len(nets.logvars[0]))
    values = []
    for row in rows:
        noise = torch.randn(shape, dtype=rows.dtype, generator=generator, device=rows.device)
        log_weights = _log_weights(nets, row[None], noise, stds=(eta_dec, *prior_stds))
        values.append(math.log(num_draws) - log_weights.logsumexp(dim=0))
    return torch.stack(values)


def _log_weights(
    nets: ShallowVAE, row: Tensor, noise: Tensor, *, stds: tuple[float, ...]
) -> Tensor:
    """log p(y, z|x) - log q(z|y, x) of each draw, [K]; `stds` of y and of each latent."""
    inputs, target = row, row[:, : nets.dims]
    condition = row[:, nets.dims :].expand(len(noise), -1)
    total = torch.zeros(len(noise), dtype=row.dtype, device=row.device)
    for level in range(len(nets.logvars)):
        _, logvar, z = nets.encode(inputs, noise[:, level], level=level)
        given = torch.cat([z, condition], dim=1) if level == 0 else z
        total = total + _log_normal(target, nets.decoders[level](given), stds[level])
        total = total + 0.5 * (noise[:, level].square() + LOG_2PI + logvar).sum(dim=1)
        inputs = target = z
    return total + _log_normal(target, torch.zeros_like(target), stds[-1])


def _log_normal(x: Tensor, mean: Tensor, std: float) -> Tensor:
    """Log-density of independent normals, summed over the last dimension."""
    return -0.5 * (((x - mean) / std).square() + LOG_2PI + 2 * math.log(std)).sum(dim=-1)
